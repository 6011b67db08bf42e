// `rundirect stop`: removes a session's VM and discards its changes. The session answers when all of it is gone,
// or says why it is not; meanwhile its log is shown.
import { WorkflowNotFoundError } from '@temporalio/client';
import type { Command } from 'commander';
import { SessionMessage, type StopRequest, type StopResult } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import { sessionId as sessionIdArgument, stopReason } from '../arguments.ts';
import { ClientError } from '../client-error.ts';
import type { Context } from '../context.ts';
import { followSession } from '../follow.ts';
import { listedSession } from '../session-list.ts';
import { findSession } from '../session-lookup.ts';
import { logLine, progressLine } from '../session-view.ts';
import { requireWorkers, type Temporal } from '../temporal.ts';

interface Options {
  readonly reason?: string;
}

const words: Partial<Record<StopResult['state'], string>> = {
  stopped: 'is stopped: its VM, its changes and its place on the host are gone',
  finalized: 'is ended: somebody had moved its VM to production storage, where it was left alone',
  cancelled: 'was still starting: the start is undone',
};

function ended(sessionId: string, state: string, cause?: unknown): ClientError {
  return new ClientError('SessionEnded', `session ${sessionId} has already ended (${state})`, {
    cause,
    hint: `See its log with: rundirect show ${sessionId}`,
  });
}

/** Shows what the session does about the stop, until `answered`. What it had said before is old news. */
async function narrate(context: Context, sessionId: string, answered: AbortSignal): Promise<void> {
  const { terminal } = context;
  let sinceStop = false;
  for await (const event of followSession(await context.temporal(), sessionId, answered)) {
    if (event.kind === 'trouble') terminal.note(event.message);
    if (event.kind !== 'status') continue;
    for (const entry of sinceStop ? event.newEntries : []) terminal.print(logLine(entry, terminal));
    sinceStop = true;
    terminal.progress(progressLine(event.status));
  }
}

/** Asks the session to stop, and waits for its answer. */
async function requestStop(
  context: Context,
  temporal: Temporal,
  sessionId: string,
  request: StopRequest,
): Promise<StopResult> {
  const handle = temporal.client.workflow.getHandle(sessionId);
  try {
    return await temporal.client.withAbortSignal(context.interrupted, () =>
      handle.executeUpdate<StopResult, [StopRequest]>(SessionMessage.stop, { args: [request] }),
    );
  } catch (error) {
    if (context.interrupted.aborted) {
      throw new ClientError(
        'Interrupted',
        `you no longer wait for ${sessionId}; the stop that was asked goes on`,
        {
          hint: `Watch it with: rundirect watch --follow ${sessionId}`,
        },
      );
    }
    // It ended between the look and the Update.
    if (error instanceof WorkflowNotFoundError) throw ended(sessionId, 'meanwhile', error);
    throw error;
  }
}

async function stop(context: Context, sessionId: string, { reason }: Options): Promise<undefined> {
  const { terminal, interrupted } = context;
  const temporal = await context.temporal();
  const { description } = await findSession(temporal, sessionId);
  const { site, state } = listedSession(description);
  if (description.closeTime !== undefined) throw ended(sessionId, state);
  await requireWorkers(temporal, site);
  const answered = new AbortController();
  const narration = narrate(context, sessionId, AbortSignal.any([answered.signal, interrupted]));
  try {
    const result = await requestStop(context, temporal, sessionId, reason === undefined ? {} : { reason });
    terminal.document(result);
    terminal.print(`Session ${sessionId} ${words[result.state] ?? `is ${result.state}`}.`);
  } finally {
    answered.abort();
    await narration;
  }
  return undefined;
}

export function addStop(program: Command, act: Act): void {
  program
    .command('stop')
    .summary("remove a session's VM and discard its changes")
    .description(
      "Removes a session's VM from its host and discards all that it changed. The backup stays as it is.\n" +
        'A VM that somebody has moved to production storage is left alone.',
    )
    .argument('<session>', "the session's id", sessionIdArgument)
    .option('--reason <text>', 'kept in the history', stopReason)
    .addHelpText('after', '\nExample:\n  $ rundirect stop web01-k3v9q2m4xa --reason "restore test done"')
    .action(act(stop));
}
