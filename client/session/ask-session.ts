// Asks a session for something that takes a while, and shows what it does about it until it answers. Who stops
// waiting leaves what was asked for under way.
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import type { LogEntry, SessionStatus } from '../../contract/index.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { entriesAfter, type Followed, followSession, queryStatus } from '../temporal/follow.ts';
import { requireWorkers, type Temporal } from '../temporal/temporal.ts';
import { listedSession } from './session-list.ts';
import { findStarted } from './session-lookup.ts';

export interface Question<Answer, Status extends Followed = SessionStatus> {
  /** What is asked for, as in "the stop that was asked for goes on". */
  readonly what: string;
  readonly ask: (handle: WorkflowHandle) => Promise<Answer>;
  /** What the session does meanwhile; what it had said before is old news. */
  readonly onStatus?: (status: Status, newEntries: readonly LogEntry[]) => void;
}

/** Throws ClientError SessionNotFound, SessionEnded, Interrupted, NoWorker; and what the session refuses with. */
export async function askSession<Answer, Status extends Followed = SessionStatus>(
  context: Context,
  sessionId: string,
  question: Question<Answer, Status>,
): Promise<Answer> {
  const temporal = await context.temporal();
  const { description } = await findStarted(temporal, sessionId);
  const { site, state } = listedSession(description);
  if (description.closeTime !== undefined) throw ended(sessionId, state);
  await requireWorkers(temporal, site);
  const answered = new AbortController();
  const narration = narrate(context, sessionId, question, answered.signal);
  try {
    return await request(context, temporal, sessionId, question);
  } finally {
    answered.abort();
    await narration;
  }
}

async function request<Answer, Status extends Followed>(
  context: Context,
  temporal: Temporal,
  sessionId: string,
  { what, ask }: Question<Answer, Status>,
): Promise<Answer> {
  const handle = temporal.client.workflow.getHandle(sessionId);
  try {
    return await temporal.client.withAbortSignal(context.interrupted, () => ask(handle));
  } catch (error) {
    if (context.interrupted.aborted) {
      throw new ClientError(
        'Interrupted',
        `you no longer wait for ${sessionId}; the ${what} that was asked for goes on`,
        { hint: `Watch it with: rundirect watch --follow ${sessionId}` },
      );
    }
    // It ended between the look and the Update.
    if (error instanceof WorkflowNotFoundError) throw ended(sessionId, 'meanwhile', error);
    throw error;
  }
}

async function narrate<Answer, Status extends Followed>(
  context: Context,
  sessionId: string,
  { onStatus }: Question<Answer, Status>,
  answered: AbortSignal,
): Promise<void> {
  if (onStatus === undefined) return;
  const until = AbortSignal.any([answered, context.interrupted]);
  const temporal = await context.temporal();
  let shown: Status | undefined;
  for await (const event of followSession<Status>(temporal, sessionId, until)) {
    if (event.kind === 'trouble') context.terminal.note(event.message);
    if (event.kind !== 'status') continue;
    onStatus(event.status, shown === undefined ? [] : event.newEntries);
    shown = event.status;
  }
  if (shown === undefined || context.interrupted.aborted) return;
  // What it said with its answer.
  const handle = temporal.client.workflow.getHandle(sessionId);
  const seen = shown;
  const last = await queryStatus<Status>(temporal, handle).catch(() => seen);
  onStatus(last, entriesAfter(last.log, seen.log.at(-1)));
}

function ended(sessionId: string, state: string, cause?: unknown): ClientError {
  const isUndone = state !== 'terminated' && state !== 'timed out';
  return new ClientError('SessionEnded', `session ${sessionId} has already ended (${state})`, {
    cause,
    hint: isUndone
      ? `See its log with: rundirect show ${sessionId}`
      : `It has undone nothing. Remove what it left with: rundirect clean-up ${sessionId}`,
  });
}
