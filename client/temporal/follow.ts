// Follows a session live: asks its Query `status` again and again, tells what changed, what hinders, and how it
// ended. It only looks: whoever stops following leaves the session as it is.
import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError, type WorkflowHandle } from '@temporalio/client';
import { type LogEntry, SessionMessage, type SessionStatus } from '../../contract/index.ts';
import { isAborted } from './interruption.ts';
import type { Temporal } from './temporal.ts';
import { pendingTroubles } from './trouble.ts';

const POLL_MS = 250;
/** After this many polls the session is long under way, and a second is soon enough. */
const EAGER_POLLS = 240;
const CALM_POLL_MS = 1_000;
const TROUBLE_EVERY_POLLS = 4;
const QUERY_TIMEOUT_MS = 5_000;
/** A Temporal that is away for longer ends the watching: a script must not hang for ever. */
const TEMPORAL_AWAY_LIMIT_MS = 120_000;
const GRPC_NOT_FOUND = 5;

/** Of a session, or of a batch. */
export interface Followed {
  readonly log: readonly LogEntry[];
}

export type SessionEvent<Status extends Followed> =
  | { readonly kind: 'status'; readonly status: Status; readonly newEntries: readonly LogEntry[] }
  /** Something hinders, and is tried again; told once. */
  | { readonly kind: 'trouble'; readonly message: string }
  /** The Workflow has ended; `error` is what it failed with, if it did. Always the last event. */
  | { readonly kind: 'ended'; readonly error: Error | undefined };

/** The entries of `log` that came after `seen`; the log is cut at the front, never changed. */
export function entriesAfter(log: readonly LogEntry[], seen: LogEntry | undefined): readonly LogEntry[] {
  if (seen === undefined) return log;
  return log.slice(
    log.findLastIndex(({ time, message }) => time === seen.time && message === seen.message) + 1,
  );
}

/** Asks a session, or a batch, how it is. Fails after QUERY_TIMEOUT_MS, as where no worker runs. */
export async function queryStatus<Status extends Followed = SessionStatus>(
  temporal: Temporal,
  handle: WorkflowHandle,
): Promise<Status> {
  return temporal.client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () =>
    handle.query<Status>(SessionMessage.status),
  );
}

/** Yields until the session has ended or `signal` is aborted; the caller may leave at any event. */
export async function* followSession<Status extends Followed = SessionStatus>(
  temporal: Temporal,
  sessionId: string,
  signal: AbortSignal,
): AsyncGenerator<SessionEvent<Status>, void, undefined> {
  const handle = temporal.client.workflow.getHandle(sessionId);
  using end = watchEnd(temporal, handle, signal);
  let shown: Status | undefined;
  let trouble = '';
  for (let poll = 1; !isAborted(signal); poll += 1) {
    // Read before the question, so that the last status is not missed.
    const ended = end.outcome();
    const status = await temporal.client
      .withAbortSignal(signal, () => queryStatus<Status>(temporal, handle))
      .catch(() => undefined);
    if (isAborted(signal)) return;
    if (status !== undefined && JSON.stringify(status) !== JSON.stringify(shown)) {
      const newEntries = entriesAfter(status.log, shown?.log.at(-1));
      shown = status;
      yield { kind: 'status', status, newEntries };
    }
    if (ended !== undefined) {
      yield { kind: 'ended', error: ended.error };
      return;
    }
    if (status === undefined || poll % TROUBLE_EVERY_POLLS === 0) {
      const now = await troubleNow(temporal, handle, status !== undefined);
      if (now !== '' && now !== trouble) yield { kind: 'trouble', message: now };
      trouble = now;
    }
    await pause(poll < EAGER_POLLS ? POLL_MS : CALM_POLL_MS, AbortSignal.any([signal, end.signal]));
  }
}

interface End extends Disposable {
  outcome(): { readonly error: Error | undefined } | undefined;
  /** Aborted when the Workflow has ended. */
  readonly signal: AbortSignal;
}

/** Waits for the Workflow's end in the background, until disposed. */
function watchEnd(temporal: Temporal, handle: WorkflowHandle, signal: AbortSignal): End {
  const left = new AbortController();
  const ended = new AbortController();
  let outcome: { error: Error | undefined } | undefined;
  const settle = (error: Error | undefined): void => {
    outcome = { error };
    ended.abort();
  };
  temporal.client
    .withAbortSignal(AbortSignal.any([signal, left.signal]), () => failureOf(handle, left.signal))
    .then(settle, settle);
  return { outcome: () => outcome, signal: ended.signal, [Symbol.dispose]: () => left.abort() };
}

/** Waits for the Workflow's end: what it failed with, if it did. A Temporal that restarts is waited for. */
async function failureOf(handle: WorkflowHandle, left: AbortSignal): Promise<Error | undefined> {
  let awaySinceMs: number | undefined;
  for (;;) {
    const askedAtMs = Date.now();
    try {
      await handle.result();
      return undefined;
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      const code: number | undefined = isGrpcServiceError(cause) ? cause.code : undefined;
      if (code === undefined || code === GRPC_NOT_FOUND || isAborted(left)) return cause;
      // A wait that lasted had reached it.
      if (Date.now() - askedAtMs > TEMPORAL_AWAY_LIMIT_MS) awaySinceMs = undefined;
      awaySinceMs ??= Date.now();
      if (Date.now() - awaySinceMs > TEMPORAL_AWAY_LIMIT_MS) return cause;
      await pause(CALM_POLL_MS, left);
    }
  }
}

async function troubleNow(temporal: Temporal, handle: WorkflowHandle, answers: boolean): Promise<string> {
  const troubles = (await pendingTroubles(temporal, handle)).join('; ');
  if (answers || troubles !== '') return troubles;
  return 'the session does not answer: is there a worker (rundirect worker)? It goes on, and is asked again';
}

async function pause(ms: number, until: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: until }).catch(() => undefined);
}
