// One session: a VM runs straight from its backup until it is stopped or finalized. The Workflow Id is the
// session's id.
//
//   preflight → (verify) → publish → mount → register → (power on) → running → stop or finalize
//
// A failure, a cancel or a stop before `running` undoes everything that was begun; the Workflow then ends with
// the failure that began it, as cancelled, or with the answer `cancelled`. From `running` on only a stop or a
// finalize ends it, or somebody who migrates the VM by hand.

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
import { openAnswerDesk } from './answer-desk.ts';
import { compensations } from './compensation.ts';
import { reasonOf } from './failure.ts';
import { openFinalizeDesk } from './finalize/finalize-desk.ts';
import { type KeepDesk, openKeepDesk } from './keep-desk.ts';
import { type OrderableStopDesk, withOrders } from './ordered-stop.ts';
import { parseInput } from './parse-input.ts';
import { openRoomDesk } from './room-desk.ts';
import { type Desks, whileRunning } from './running.ts';
import type { RunDirectInput, RunningSession, Session } from './session.ts';
import { sessionRecord } from './session-record.ts';
import { startSession } from './start-session.ts';
import { openStopDesk } from './stop-desk.ts';
import { openThrottleDesk } from './throttle-desk.ts';
import { sessionThrottleRefusal } from './throttle-refusal.ts';
import { undoBegun } from './undo-begun.ts';

const statusQuery = defineQuery<SessionStatus>(SessionMessage.status);
const reportSignal = defineSignal<[SessionReport]>(REPORT_SIGNAL);

/**
 * Ends when nothing of the session is left. Updates `stop`, `finalize`, `cancelFinalize`, `throttle`, `keep`,
 * `cancelKeep`, `answer` and `makeRoom`, Query `status`; see contract/session.ts.
 */
export async function runDirect(argument: RunDirectInput): Promise<StopResult> {
  const input = parseInput(startInputSchema, argument);
  const record = sessionRecord(input, argument.resumed?.status);
  const session: Session = { input, record };
  const starting = new CancellationScope({ cancellable: true });
  const state = () => record.status().state;
  const { sessionId } = input;
  // An Update that came before this line is answered while its desk is opened: so each knows only those before it.
  let keep: KeepDesk | undefined = undefined;
  const keeping = () => keep?.underWay() ?? false;
  const stop = withOrders(openStopDesk({ sessionId, state, keeping }, () => starting.cancel()));
  const finalize = openFinalizeDesk({
    sessionId,
    state,
    keeping,
    stopAsked: () => stop.pending() !== undefined,
    isDrill: input.placement.network === 'isolated',
  });
  const running = argument.resumed?.running;
  const others = {
    stop: () => stop.pending() !== undefined,
    finalize: () => finalize.pending() !== undefined,
  };
  keep = openKeepDesk(session, others, running);
  const throttle = openThrottleDesk(session, () => sessionThrottleRefusal(session));
  const desks: Desks = { stop, finalize, keep, throttle, answers: openAnswerDesk(session, running) };
  openRoomDesk(session);
  setHandler(statusQuery, () => record.status(), { description: 'How the session is, and its log' });
  setHandler(reportSignal, (report) => record.report(report), {
    description: 'A step tells how far it is',
  });
  heedCancel(session, stop);
  try {
    return await live(session, running, starting, desks);
  } catch (error) {
    if (!(error instanceof ContinueAsNew)) {
      const failure = reasonOf(error, 'the session');
      desks.stop.answer({ failure });
      desks.finalize.answer({ failure });
    }
    throw error;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}

async function live(
  session: Session,
  resumed: RunningSession | undefined,
  starting: CancellationScope,
  desks: Desks,
): Promise<StopResult> {
  const undo = compensations();
  let running = resumed;
  if (running === undefined) {
    try {
      running = await starting.run(() => startSession(session, undo));
      enterRunning(session, running);
    } catch (error) {
      const result = await undoBegun(session, 'start', undo, error, desks.stop.pending() !== undefined);
      desks.stop.answer({ result });
      return result;
    }
  }
  const from = running;
  const auto = resumed === undefined ? session.input.autoMigrate : undefined;
  const { result, finalized } = await CancellationScope.nonCancellable(() =>
    whileRunning(session, from, desks, auto),
  );
  closeRunning(session, result);
  desks.stop.answer({ result });
  const message = `${result.sessionId} is ${result.state}: there is nothing to finalize`;
  const failure = { type: 'NotRunning', message, details: [] };
  desks.finalize.answer(finalized === undefined ? { failure } : { result: finalized });
  return result;
}

function enterRunning({ record }: Session, { vm }: RunningSession): void {
  const status = record.status().status === 'In progress' ? 'OK' : record.status().status;
  record.update({ state: 'running', step: 'running', status, progressPercent: 100 });
  record.say(`${vm.name} runs from its backup. Status OK`);
}

function closeRunning({ record }: Session, { state }: StopResult): void {
  record.timed('stoppedMs', Date.now());
  record.update({ state, step: state, status: 'OK', progressPercent: 100, powerState: undefined });
  if (state !== 'finalized') record.update({ vm: undefined });
  record.say(
    state === 'finalized'
      ? 'Finalized: the VM is in production; datastore lease, export and overlay are gone. Status OK'
      : 'Stopped: VM, datastore lease, export and changes are gone',
  );
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
