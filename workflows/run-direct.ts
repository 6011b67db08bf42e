// One session: a VM runs straight from its backup until it is stopped. The Workflow Id is the session's id.
//
//   preflight → (verify) → publish → mount → register → (power on) → running → stop
//
// A failure, a cancel or a stop before `running` undoes everything that was begun; the Workflow then ends with
// the failure that began it, as cancelled, or with the answer `cancelled`. From `running` on only a stop ends it.

import {
  allHandlersFinished,
  CancellationScope,
  ContinueAsNew,
  condition,
  defineQuery,
  defineSignal,
  setHandler,
} from '@temporalio/workflow';
import {
  REPORT_SIGNAL,
  SessionMessage,
  type SessionReport,
  type SessionStatus,
  type StopResult,
  startInputSchema,
} from '../contract/index.ts';
import { type Compensations, compensations } from './compensation.ts';
import { cancelled, failureFrom, type Reason, reasonOf, sentence } from './failure.ts';
import { withLeftBehind } from './left-behind.ts';
import { type OrderableStopDesk, withOrders } from './ordered-stop.ts';
import { whileRunning } from './running.ts';
import type { RunDirectInput, RunningSession, Session } from './session.ts';
import { sessionRecord } from './session-record.ts';
import { startSession } from './start-session.ts';
import { openStopDesk } from './stop-desk.ts';

const statusQuery = defineQuery<SessionStatus>(SessionMessage.status);
const reportSignal = defineSignal<[SessionReport]>(REPORT_SIGNAL);

/** Ends when nothing of the session is left. Update `stop`, Query `status`; see contract/session.ts. */
export async function runDirect(argument: RunDirectInput): Promise<StopResult> {
  const input = parse(argument);
  const record = sessionRecord(input, argument.resumed?.status);
  const session: Session = { input, record };
  const starting = new CancellationScope({ cancellable: true });
  const state = () => record.status().state;
  const desk = withOrders(openStopDesk({ sessionId: input.sessionId, state }, () => starting.cancel()));
  setHandler(statusQuery, () => record.status());
  setHandler(reportSignal, (report) => record.report(report));
  heedCancel(session, desk);
  try {
    return await live(session, argument.resumed?.running, starting, desk);
  } catch (error) {
    if (!(error instanceof ContinueAsNew)) desk.answer({ failure: reasonOf(error, 'the session') });
    throw error;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}

async function live(
  session: Session,
  resumed: RunningSession | undefined,
  starting: CancellationScope,
  desk: OrderableStopDesk,
): Promise<StopResult> {
  const undo = compensations();
  let running = resumed;
  if (running === undefined) {
    try {
      running = await starting.run(() => startSession(session, undo));
      enterRunning(session, running);
    } catch (error) {
      const result = await undoStart(session, undo, error, desk.pending() !== undefined);
      desk.answer({ result });
      return result;
    }
  }
  const from = running;
  const result = await CancellationScope.nonCancellable(() => whileRunning(session, from, desk));
  closeRunning(session, result);
  desk.answer({ result });
  return result;
}

function parse(argument: RunDirectInput): RunDirectInput {
  const parsed = startInputSchema.safeParse(argument);
  if (parsed.success) return parsed.data;
  const message = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw failureFrom({ type: 'InvalidInput', message, details: [] });
}

function enterRunning({ record }: Session, { vm }: RunningSession): void {
  const status = record.status().status === 'In progress' ? 'OK' : record.status().status;
  record.update({ state: 'running', step: 'running', status, progressPercent: 100 });
  record.say(`${vm.name} runs from its backup. Status OK`);
}

function closeRunning({ record }: Session, { state }: StopResult): void {
  record.timed('stoppedMs', Date.now());
  record.update({ state, step: state, status: 'OK', powerState: undefined, vm: undefined });
  record.say('Stopped: VM, datastore lease, export and changes are gone');
}

/** Undoes what was begun. Ends with `cancelled` where a stop asked for it; else throws what ended the start. */
async function undoStart(
  session: Session,
  undo: Compensations,
  error: unknown,
  stopped: boolean,
): Promise<StopResult> {
  const { input, record } = session;
  const reason = reasonOf(error, record.status().step);
  const wasCancelled = cancelled(error);
  record.update({
    state: 'stopping',
    status: wasCancelled ? 'Warning' : 'Error',
    failure: wasCancelled ? undefined : { type: reason.type, message: reason.message },
  });
  const next = undo.isEmpty() ? 'Nothing was touched' : 'The start is undone';
  if (wasCancelled) record.say(`The start was cancelled. ${next}`, 'warning');
  else record.say(`${sentence(reason.message)} ${next}`, 'error');
  const { left, reason: stuck } = await undo.undo({
    onWaiting: (name, why, waitMs) =>
      record.say(
        `Could not ${name}: ${sentence(why.message)} Tries again in ${Math.round(waitMs / 1000)} s`,
        'warning',
      ),
    onDone: (name) => {
      record.update({ step: name });
      record.say(`Undone: ${name}`);
    },
  });
  if (stuck !== undefined) throw leftBehind(session, reason, left, stuck);
  const state = wasCancelled ? 'cancelled' : 'failed';
  record.timed('stoppedMs', Date.now());
  record.update({ state, step: state, vm: undefined, powerState: undefined });
  record.say('Nothing of the session is left');
  if (!wasCancelled) throw failureFrom(reason);
  if (stopped) return { sessionId: input.sessionId, state };
  throw error;
}

function leftBehind({ record }: Session, first: Reason, left: readonly string[], stuck: Reason): Error {
  const message = `${sentence(first.message)} Left to do by hand: ${left.join(', ')}, because ${stuck.message}`;
  record.update({ state: 'failed', status: 'Error', step: 'failed', failure: { type: first.type, message } });
  record.say(message, 'error');
  return failureFrom(withLeftBehind({ ...first, message }, left));
}

/**
 * Cancelling a Workflow is not a stop: what a guest wrote is discarded only by somebody who said so. Except in a
 * drill's isolated network: nothing that is written there is worth keeping, and nothing of it shall stay.
 */
function heedCancel({ input, record }: Session, desk: OrderableStopDesk): void {
  CancellationScope.current().cancelRequested.catch(() => {
    if (record.status().state !== 'running') return;
    if (input.placement.network === 'isolated') {
      desk.order({ reason: 'the drill has ended' });
      return;
    }
    record.say('A cancel of the Workflow does not stop a running session: use `rundirect stop`', 'warning');
  });
}
