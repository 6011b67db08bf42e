// A session that runs, durably and for as long as it takes, until somebody says stop. Beside the wait: the
// guest's first heartbeat, the verify of the chain, and an eye on the VM. A guest that powers itself off, or a
// cancel of the Workflow, loses nothing: changes are discarded by an explicit stop alone.

import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { StopResult, VmSighting } from '../contract/index.ts';
import { longSteps, watchSteps } from './activities-of.ts';
import { cancelled, failureFrom, type Reason, reasonOf } from './failure.ts';
import { withLeftBehind } from './left-behind.ts';
import type { OrderableStopDesk } from './ordered-stop.ts';
import { type RunDirect, type RunningSession, runningVmStep, type Session } from './session.ts';
import { stopSession } from './stop-session.ts';
import { verifyBeside } from './verify.ts';

/** After the target could not be watched, for want of a login for example. */
const WATCH_AGAIN_AFTER = '10m';
/** After an ordered stop was refused: a person has to settle why. */
const STOP_AGAIN_AFTER = '1m';

/** Ends when the session was stopped; must run where cancellation does not reach. */
export async function whileRunning(
  session: Session,
  running: RunningSession,
  desk: OrderableStopDesk,
): Promise<StopResult> {
  const { input, record } = session;
  for (;;) {
    const beside = openBeside(session, running);
    await condition(() => desk.pending() !== undefined || (beside.quiet() && longHistory()));
    if (desk.pending() === undefined) return goOnInNewRun(session, running, () => beside.end());
    const outcome = await stopSession(session, running, () => beside.end());
    if (outcome.kind === 'stopped' || outcome.kind === 'finalized') {
      return { sessionId: input.sessionId, state: outcome.kind };
    }
    if (outcome.kind === 'stuck') throw giveUp(session, outcome.reason);
    beside.end();
    record.update({ state: 'running', step: 'running' });
    record.say(`Not stopped, the session runs on: ${outcome.reason.message}`, 'error');
    desk.answer({ failure: outcome.reason });
    if (desk.isOrdered()) await sleep(STOP_AGAIN_AFTER, { summary: 'stop the session again' });
  }
}

/** The VM is off the session, and what it stood on can't be removed: a person has to. */
function giveUp({ record }: Session, reason: Reason): Error {
  record.update({
    state: 'failed',
    status: 'Error',
    step: 'failed',
    failure: { type: reason.type, message: reason.message },
  });
  record.say(`Given up, something is left behind: ${reason.message}`, 'error');
  return failureFrom(withLeftBehind(reason, [reason.message]));
}

function longHistory(): boolean {
  return workflowInfo().continueAsNewSuggested && allHandlersFinished();
}

/** Months of a session do not fit one history: a new run takes over, under the same id, with the same state. */
async function goOnInNewRun(session: Session, running: RunningSession, end: () => void): Promise<never> {
  end();
  const resumed = { status: session.record.status(), running };
  return continueAsNew<RunDirect>({ ...session.input, resumed });
}

interface Beside {
  /** Nothing but the watch is left. */
  quiet(): boolean;
  end(): void;
}

function openBeside(session: Session, running: RunningSession): Beside {
  const scope = new CancellationScope({ cancellable: true });
  let open = 2;
  const closed = (): void => {
    open -= 1;
  };
  const all = scope.run(() =>
    Promise.all([
      watch(session, running),
      awaitGuest(session, running).finally(closed),
      verifyWhenAsked(session, running).finally(closed),
    ]),
  );
  all.catch((error: unknown) => {
    if (!cancelled(error)) throw error;
  });
  return { quiet: () => open === 0, end: () => scope.cancel() };
}

async function verifyWhenAsked(session: Session, { jobId }: RunningSession): Promise<void> {
  const { state } = session.record.status().verify;
  if (session.input.verify === 'beside' && (state === 'waiting' || state === 'running')) {
    await verifyBeside(session, jobId);
  }
}

async function awaitGuest(session: Session, running: RunningSession): Promise<void> {
  const { input, record } = session;
  const timeoutMs = input.guestTimeoutMs;
  if (record.status().guest !== 'awaited') return;
  try {
    const step = { ...runningVmStep(session, running), timeoutMs };
    const { readyAtMs } = await longSteps(input.site).awaitGuest(step);
    if (readyAtMs === undefined) noHeartbeat(session, `none within ${Math.round(timeoutMs / 1000)} s`);
    else {
      record.timed('guestReadyMs', readyAtMs);
      record.update({ guest: 'ready' });
      const seconds = ((record.status().timings.guestReadyMs ?? 0) / 1000).toFixed(1);
      record.say(`The guest is up: its heartbeat came ${seconds} s after the command`);
    }
  } catch (error) {
    if (cancelled(error)) throw error;
    noHeartbeat(session, reasonOf(error, 'waiting for the guest').message);
  }
}

function noHeartbeat({ record }: Session, why: string): void {
  if (record.status().status === 'OK') record.update({ status: 'Warning' });
  record.update({ guest: 'silent' });
  record.say(
    `No heartbeat from the guest (${why}): it may have no VMware Tools, or did not boot. Look at its console; the session runs on`,
    'warning',
  );
}

/** Tells what changes about the VM. Ends by cancellation alone. */
async function watch(session: Session, running: RunningSession): Promise<never> {
  const { input, record } = session;
  let known: Pick<VmSighting, 'standing' | 'powerState'> = {
    standing: 'ours',
    powerState: record.status().powerState,
  };
  for (;;) {
    try {
      const seen = await watchSteps(input.site).watchVm({ ...runningVmStep(session, running), known });
      tellChange(session, running, known, seen);
      known = { standing: seen.standing, powerState: seen.powerState };
    } catch (error) {
      if (cancelled(error)) throw error;
      record.say(`The VM can't be watched: ${reasonOf(error, 'watching the VM').message}`, 'warning');
      await sleep(WATCH_AGAIN_AFTER, { summary: 'watch the VM again' });
    }
  }
}

function tellChange(
  { record }: Session,
  { vm }: RunningSession,
  known: Pick<VmSighting, 'standing' | 'powerState'>,
  seen: VmSighting,
): void {
  if (seen.powerState !== known.powerState && seen.powerState !== undefined) {
    record.update({ powerState: seen.powerState });
    const kept = seen.powerState === 'poweredOff' ? '; its changes are kept' : '';
    record.say(`${vm.name} is ${powerWords[seen.powerState]}${kept}`);
  }
  if (seen.standing === known.standing) return;
  if (seen.standing === 'ours') record.say(`${vm.name} is back where the session left it`);
  else record.say(`${standingWords[seen.standing]} (${seen.detail})`, 'warning');
}

const powerWords = { poweredOn: 'powered on', poweredOff: 'powered off', suspended: 'suspended' } as const;
const standingWords = {
  moved: 'The VM was moved to production storage: `stop` cleans up after it and does not touch it',
  partlyMoved: 'The VM was changed or partly moved: `stop` will not touch it as it is',
  gone: 'The VM is not in the inventory any more',
} as const;
