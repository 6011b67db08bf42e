// A session that runs, durably and for as long as it takes, until somebody says stop or finalize, or migrates the
// VM by hand. Beside the wait: the guest's first heartbeat, the verify of the chain, and an eye on the VM. A guest
// that powers itself off, or a cancel of the Workflow, loses nothing: changes are discarded by an explicit stop
// alone.

import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  FinalizeRequest,
  FinalizeResult,
  SessionStatus,
  StopResult,
  VmSighting,
} from '../contract/index.ts';
import { longSteps, watchSteps } from './activities-of.ts';
import { type AnswerDesk, tellQuestion } from './answer-desk.ts';
import { waitAfter } from './compensation.ts';
import { cancelled, type Reason, reasonOf } from './failure.ts';
import type { FinalizeDesk } from './finalize/finalize-desk.ts';
import type { FinalizeOutcome } from './finalize/finalize-end.ts';
import { finalizeByHand, finalizeSession } from './finalize/finalize-session.ts';
import type { KeepDesk } from './keep-desk.ts';
import { giveUp } from './left-behind.ts';
import type { OrderableStopDesk } from './ordered-stop.ts';
import { type RunDirect, type RunningSession, runningVmStep, type Session } from './session.ts';
import { stopSession } from './stop-session.ts';
import type { ThrottleDesk } from './throttle-desk.ts';
import { verifyBeside } from './verify.ts';

/** After the target could not be watched, for want of a login for example. */
const WATCH_AGAIN_AFTER_MS = 600_000;
/** After an ordered stop was refused: a person has to settle why. */
const STOP_AGAIN_AFTER_MS = 60_000;

export interface Desks {
  readonly stop: OrderableStopDesk;
  readonly finalize: FinalizeDesk;
  readonly keep: KeepDesk;
  readonly throttle: ThrottleDesk;
  readonly answers: AnswerDesk;
}

/** How a session that ran came to its end. */
export interface Ending {
  readonly result: StopResult;
  /** Where it was finalized, by us or by hand. */
  readonly finalized: FinalizeResult | undefined;
}

/**
 * Ends when the session was stopped or finalized; must run where cancellation does not reach.
 * @param autoMigrate is what to do at once.
 */
export async function whileRunning(
  session: Session,
  began: RunningSession,
  desks: Desks,
  autoMigrate: FinalizeRequest | undefined,
): Promise<Ending> {
  let running = began;
  let auto = autoMigrate;
  /** What acts on the VM has to know it as it is registered now. */
  const goOn = (): Beside => {
    desks.keep.open(running);
    desks.answers.open(running);
    return openBeside(session, running, desks.throttle);
  };
  let beside = goOn();
  for (;;) {
    const wanted = (): FinalizeRequest | undefined => desks.finalize.pending() ?? auto;
    // What is being kept is read from here until it is done.
    const leftByHand = (): boolean => beside.moved() && !desks.keep.underWay();
    await condition(
      () =>
        desks.stop.pending() !== undefined ||
        leftByHand() ||
        wanted() !== undefined ||
        (beside.quiet() && longHistory()),
    );
    if (desks.stop.pending() !== undefined) {
      const ending = await stop(session, running, desks.stop, beside);
      if (ending !== undefined) return ending;
      beside = goOn();
    } else if (leftByHand() && beside.takeMoved()) {
      const outcome = await finalizeByHand(session, running, () => beside.end());
      const ending = endingOf(session, outcome, desks.finalize);
      if (ending !== undefined) return ending;
    } else {
      const request = wanted();
      auto = undefined;
      if (request === undefined) return goOnInNewRun(session, running, () => beside.end());
      const means = { ...desks.finalize, throttle: desks.throttle };
      const outcome = await finalizeSession(session, running, request, means, () => beside.end());
      const ending = endingOf(session, outcome, desks.finalize);
      if (ending !== undefined) return ending;
      if (outcome.kind === 'failed' && outcome.vm.moref !== running.vm.moref) {
        // Registered anew on its way back: what watched it looks at nothing.
        running = { ...running, vm: outcome.vm };
        beside.end();
        beside = goOn();
      }
    }
  }
}

/** Undefined when nothing was taken away: the session runs on. */
async function stop(
  session: Session,
  running: RunningSession,
  desk: OrderableStopDesk,
  beside: Beside,
): Promise<Ending | undefined> {
  const { input, record } = session;
  const outcome = await stopSession(session, running, () => beside.end());
  if (outcome.kind === 'stopped' || outcome.kind === 'finalized') {
    return { result: { sessionId: input.sessionId, state: outcome.kind }, finalized: undefined };
  }
  if (outcome.kind === 'stuck') throw leaveBehind(session, outcome.reason);
  beside.end();
  record.update({ state: 'running', step: 'running' });
  record.say(`Not stopped, the session runs on: ${outcome.reason.message}`, 'error');
  desk.answer({ failure: outcome.reason });
  if (desk.isOrdered()) {
    await sleep(waitAfter(outcome.reason, STOP_AGAIN_AFTER_MS), { summary: 'stop the session again' });
  }
  return undefined;
}

/** Undefined when the VM is where it was: the session runs on. */
function endingOf(session: Session, outcome: FinalizeOutcome, desk: FinalizeDesk): Ending | undefined {
  if (outcome.kind === 'stuck') throw leaveBehind(session, outcome.reason);
  if (outcome.kind === 'finalized') {
    const { result } = outcome;
    return { result: { sessionId: result.sessionId, state: result.state }, finalized: result };
  }
  desk.answer({ failure: outcome.reason });
  return undefined;
}

/** The VM is off the session, and what it stood on can't be removed: a person has to. */
function leaveBehind(session: Session, reason: Reason): Error {
  const words = `Given up, something is left behind: ${reason.message}`;
  return giveUp(session, reason, [reason.message], words);
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
  /** Somebody has taken the VM to production storage. */
  moved(): boolean;
  /** The same, told once. */
  takeMoved(): boolean;
  end(): void;
}

function openBeside(session: Session, running: RunningSession, throttle: ThrottleDesk): Beside {
  const scope = new CancellationScope({ cancellable: true });
  let open = 2;
  let moved = false;
  const onChange = (seen: VmSighting, known: Known): void => {
    if (seen.powerState === 'poweredOn' && known.powerState !== 'poweredOn') throttle.guestRuns();
    if (seen.standing !== known.standing) moved = seen.standing === 'moved';
  };
  const closed = (): void => {
    open -= 1;
  };
  const all = scope.run(() =>
    Promise.all([
      watch(session, running, onChange),
      awaitGuest(session, running)
        .finally(closed)
        .then(() => awaitGuestAgain(session, running)),
      verifyWhenAsked(session, running).finally(closed),
    ]),
  );
  all.catch((error: unknown) => {
    if (!cancelled(error)) throw error;
  });
  return {
    quiet: () => open === 0 && session.record.status().guest !== 'awaited',
    moved: () => moved,
    takeMoved: () => {
      const told = moved;
      moved = false;
      return told;
    },
    end: () => scope.cancel(),
  };
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
    else if (record.status().timings.guestReadyMs !== undefined) {
      record.update({ guest: 'ready' });
      record.say('The guest is up again: its heartbeat came');
    } else {
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

/** Whenever the VM was off and is on again. */
async function awaitGuestAgain(session: Session, running: RunningSession): Promise<never> {
  for (;;) {
    await condition(() => session.record.status().guest === 'awaited');
    await awaitGuest(session, running);
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

type Known = Pick<VmSighting, 'standing' | 'powerState' | 'question'>;

/** Tells what changes about the VM. Ends by cancellation alone. */
async function watch(
  session: Session,
  running: RunningSession,
  onChange: (seen: VmSighting, known: Known) => void,
): Promise<never> {
  const { input, record } = session;
  let known: Known = {
    standing: 'ours',
    powerState: record.status().powerState,
    question: record.status().question,
  };
  for (;;) {
    try {
      const seen = await watchSteps(input.site).watchVm({ ...runningVmStep(session, running), known });
      tellChange(session, running, known, seen);
      tellQuestion(session, running, seen.question);
      onChange(seen, known);
      known = { standing: seen.standing, powerState: seen.powerState, question: seen.question };
    } catch (error) {
      if (cancelled(error)) throw error;
      const reason = reasonOf(error, 'watching the VM');
      record.say(`The VM can't be watched: ${reason.message}`, 'warning');
      await sleep(waitAfter(reason, WATCH_AGAIN_AFTER_MS), { summary: 'watch the VM again' });
    }
  }
}

function tellChange(
  { input, record }: Session,
  { vm }: RunningSession,
  known: Pick<VmSighting, 'standing' | 'powerState'>,
  seen: VmSighting,
): void {
  if (seen.powerState !== known.powerState && seen.powerState !== undefined) {
    record.update({ powerState: seen.powerState, guest: guestAfter(record.status().guest, input, seen) });
    const kept = seen.powerState === 'poweredOff' ? '; its changes are kept' : '';
    record.say(`${vm.name} is ${powerWords[seen.powerState]}${kept}`);
  }
  // While it is being finalized it moves because we move it.
  if (seen.standing === known.standing || record.status().state === 'finalizing') return;
  if (seen.standing === 'ours') record.say(`${vm.name} is back where the session left it`);
  else record.say(`${standingWords[seen.standing]} (${seen.detail})${wayOutOf(seen)}`, 'warning');
}

const wayOutOf = ({ wayOut }: VmSighting): string => (wayOut === undefined ? '' : `. ${wayOut}`);

/** A guest whose VM is off is not up; one whose VM was powered on again has to show it again. */
function guestAfter(
  guest: SessionStatus['guest'],
  { powerOn, guestTimeoutMs }: Session['input'],
  { powerState }: VmSighting,
): SessionStatus['guest'] {
  if (guest === 'awaited') return guest;
  if (powerState !== 'poweredOn') return 'off';
  return powerOn && guestTimeoutMs > 0 ? 'awaited' : 'off';
}

const powerWords = { poweredOn: 'powered on', poweredOff: 'powered off', suspended: 'suspended' } as const;
const standingWords = {
  moved: 'The VM was moved to production storage',
  crossing: 'The VM is half way to production: `stop` will not touch it as it is',
  partlyMoved: 'The VM was changed or partly moved: `stop` will not touch it as it is',
  gone: 'The VM is not in the inventory any more',
} as const;
