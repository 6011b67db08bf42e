// What `--keep` leaves running is written down, so that it can be ended later: by pid, and only while the process
// with that pid is still the one that was written down (its start time says so).
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Stack } from './stack.ts';
import { until } from './until.ts';

const FILE = 'running.json';
const END_LIMIT_MS = 20_000;

/** In the order in which they are to be ended. */
const runningSchema = z.array(
  z.object({ name: z.string(), pid: z.number().int().positive(), startTime: z.string() }),
);

export async function keep(stack: Stack): Promise<void> {
  const processes = [
    ...stack.sites.map(({ worker }) => worker),
    stack.lab,
    ...stack.sites.map(({ gateway }) => gateway),
    stack.temporal,
  ];
  const running = await Promise.all(
    processes.map(async ({ name, pid }) => ({ name, pid, startTime: (await startTimeOf(pid)) ?? '' })),
  );
  await writeFile(path.join(stack.folder, FILE), JSON.stringify(running, undefined, 2));
}

/** Ends the processes that were kept in `folder`, in their order, and removes the folder. */
export async function endKept(folder: string): Promise<void> {
  const text = await readFile(path.join(folder, FILE), 'utf8').catch((cause: unknown) => {
    throw new Error(`${folder} is no folder of a demo that was kept`, { cause });
  });
  for (const { name, pid, startTime } of runningSchema.parse(JSON.parse(text))) {
    const isThere = async (): Promise<boolean> => (await startTimeOf(pid)) === startTime;
    if (!(await isThere())) continue;
    console.log(`ending ${name} (pid ${pid})`);
    process.kill(pid, 'SIGTERM');
    const gone = async (): Promise<true | undefined> => ((await isThere()) ? undefined : true);
    await until(`${name} to end`, END_LIMIT_MS, gone).catch(async () => {
      process.kill(pid, 'SIGKILL');
      await until(`${name} to be gone`, END_LIMIT_MS, gone);
    });
  }
  await rm(folder, { recursive: true, force: true });
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; undefined if there is no such process, or it is a zombie. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The command's name stands in parentheses, and may hold anything: fields are counted from its end.
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === undefined || state === 'Z' ? undefined : fields[18];
}
