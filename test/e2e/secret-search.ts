// Looks for a secret where it must not be: in the arguments of processes, in Temporal's histories, in files.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import type { Stack } from '../../demo/stack.ts';

const LOOK_EVERY_MS = 100;

/** Collects the command lines of all processes, until stopped. */
export function watchCommandLines(): { stop(): string[] } {
  const seen = new Set<string>();
  const look = async (): Promise<void> => {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      // A process that has ended meanwhile has no command line.
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      seen.add(line.replaceAll('\0', ' '));
    }
  };
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      return [...seen];
    },
  };
}

/** The history of every Workflow Execution, as Temporal keeps it: payloads are in it as plain bytes. */
export async function historiesOf(stack: Stack): Promise<{ workflowId: string; bytes: Buffer }[]> {
  const connection = await Connection.connect({ address: stack.temporal.ready.address });
  try {
    const client = new Client({ connection });
    const histories = [];
    for await (const { workflowId, runId } of client.workflow.list()) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      histories.push({
        workflowId,
        bytes: Buffer.from(temporal.api.history.v1.History.encode(history).finish()),
      });
    }
    return histories;
  } finally {
    await connection.close();
  }
}

/** Files of the run that hold the secret as it is, in base64 or in hexadecimal, but for those named in `except`. */
export async function filesHolding(
  { folder, lab }: Stack,
  secret: string,
  except: readonly string[],
): Promise<string[]> {
  const forms = [
    secret,
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('hex'),
  ];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !except.includes(file) && !file.startsWith(lab.ready.directory));
  const holding: string[] = [];
  for (const file of files) {
    const bytes = await readFile(file);
    if (forms.some((form) => bytes.includes(form))) holding.push(path.relative(folder, file));
  }
  return holding;
}
