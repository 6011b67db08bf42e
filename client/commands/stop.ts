// `rundirect stop`: removes a session's VM and discards its changes. The session answers when all of it is gone,
// or says why it is not.

import { WorkflowNotFoundError } from '@temporalio/client';
import type { Command } from 'commander';
import { SessionMessage, type StopRequest, type StopResult } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import { sessionId as sessionIdArgument } from '../arguments.ts';
import { ClientError } from '../client-error.ts';
import type { Context } from '../context.ts';
import { listedSession } from '../session-list.ts';
import { type FoundSession, findSession } from '../session-lookup.ts';
import { requireWorkers, type Temporal } from '../temporal.ts';
import { tellTroubles } from '../trouble.ts';

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

async function requestStop(
  context: Context,
  temporal: Temporal,
  session: FoundSession,
  request: StopRequest,
): Promise<StopResult> {
  const { handle } = session;
  const sessionId = handle.workflowId;
  const troubles = tellTroubles(temporal, handle, (message) => context.terminal.note(message));
  try {
    return await temporal.client.withAbortSignal(context.interrupted, () =>
      handle.executeUpdate<StopResult, [StopRequest]>(SessionMessage.stop, { args: [request] }),
    );
  } catch (error) {
    if (context.interrupted.aborted) {
      throw new ClientError(
        'Interrupted',
        `you no longer wait for ${sessionId}; if the stop was asked, it goes on`,
        {
          hint: `Watch it with: rundirect watch --follow ${sessionId}`,
        },
      );
    }
    // It ended between the look and the Update.
    if (error instanceof WorkflowNotFoundError) throw ended(sessionId, 'meanwhile', error);
    throw error;
  } finally {
    troubles[Symbol.dispose]();
  }
}

async function stop(context: Context, sessionId: string, { reason }: Options): Promise<undefined> {
  const { terminal } = context;
  const temporal = await context.temporal();
  const session = await findSession(temporal, sessionId);
  const listed = listedSession(session.description);
  if (session.description.closeTime !== undefined) throw ended(sessionId, listed.state);
  await requireWorkers(temporal, listed.site);
  terminal.progress(`stopping ${sessionId}`);
  const result = await requestStop(context, temporal, session, reason === undefined ? {} : { reason });
  terminal.document(result);
  terminal.print(`Session ${sessionId} ${words[result.state] ?? `is ${result.state}`}.`);
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
    .option('--reason <text>', 'kept in the history')
    .addHelpText('after', '\nExample:\n  $ rundirect stop web01-k3v9q2m4xa --reason "restore test done"')
    .action(act(stop));
}
