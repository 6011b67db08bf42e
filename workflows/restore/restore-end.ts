// The end of a restore, behind its point of no return: the VM is production's. It is powered on where that was asked
// for, its marks come off, and what the restore needed beside it goes. Call it where cancellation does not reach.
import {
  DEFAULT_STEP_TIMEOUT_MS,
  inProduction,
  type RunningVmInput,
  type StopResult,
} from '../../contract/index.ts';
import { longSteps, startSteps, undoSteps } from '../activities-of.ts';
import { type Reason, reasonOf, sentence } from '../failure.ts';
import { giveUp } from '../left-behind.ts';
import { removeTraces, take } from '../remove-traces.ts';
import type { Session } from '../session.ts';
import type { RestoredVm } from './bring-back.ts';

/** Throws only where something stays behind that a person has to remove. */
export async function handOverRestored(session: Session, restored: RestoredVm): Promise<StopResult> {
  const { input, record } = session;
  const notOn = input.powerOn ? await powerOn(session, restored) : undefined;
  const left = await handOver(session, restored);
  if (left !== undefined) {
    const words = `The VM is in production; something is left behind all the same: ${left.message}`;
    throw giveUp(session, left, [left.message], words);
  }
  if (record.status().powerState === 'poweredOn') await awaitGuest(session, restored);
  record.timed('stoppedMs', Date.now());
  const { name } = restored.vm;
  record.update({ state: 'restored', step: 'restored', progressPercent: 100 });
  if (notOn === undefined) {
    const status = record.status().guest === 'silent' ? 'Warning' : 'OK';
    record.update({ status });
    record.say(`Restored: ${name} is in production; datastore lease and export are gone. Status ${status}`);
  } else {
    record.update({ status: 'Error', guest: 'off' });
    record.say(`${name} is restored, and not powered on: ${notOn.message}`, 'error');
  }
  return { sessionId: input.sessionId, state: 'restored' };
}

const ofVm = ({ step, vm }: RestoredVm): RunningVmInput => ({ ...inProduction(step), moref: vm.moref });

/** Answers why it is not on: what was copied for hours is not thrown away for that. */
async function powerOn(session: Session, restored: RestoredVm): Promise<Reason | undefined> {
  const { input, record } = session;
  record.step('powerOnVm');
  try {
    const steps = startSteps(input.site, input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);
    const { poweredOnAtMs } = await steps.powerOnVm(ofVm(restored));
    record.timed('poweredOnMs', poweredOnAtMs);
    record.update({ powerState: 'poweredOn' });
    record.say(`${restored.vm.name} is powered on`);
    return undefined;
  } catch (error) {
    return reasonOf(error, 'powering the VM on');
  }
}

/** Answers why something was given up, if it was. */
async function handOver(session: Session, { step, vm }: RestoredVm): Promise<Reason | undefined> {
  const { input, record } = session;
  const steps = undoSteps(input.site);
  record.step('handOver');
  // As seen from the session's own directory, it is a VM that has left it.
  const marked = await take(session, "take the session's marks off the VM", () =>
    steps.handOverVm({ ...step, moref: vm.moref }),
  );
  if (marked !== undefined) return marked;
  const claimed = await take(session, 'hand its folders over', () => steps.releaseRestoreFolder(step));
  if (claimed !== undefined) return claimed;
  return removeTraces(session, step);
}

async function awaitGuest(session: Session, restored: RestoredVm): Promise<void> {
  const { input, record } = session;
  if (record.status().guest !== 'awaited') return;
  const { guestTimeoutMs: timeoutMs } = input;
  record.update({ step: 'awaitGuest' });
  try {
    const { readyAtMs } = await longSteps(input.site).awaitGuest({ ...ofVm(restored), timeoutMs });
    if (readyAtMs === undefined) throw new Error(`none within ${Math.round(timeoutMs / 1000)} s`);
    record.timed('guestReadyMs', readyAtMs);
    record.update({ guest: 'ready' });
    record.say('The guest is up: its heartbeat came');
  } catch (error) {
    record.update({ guest: 'silent' });
    const why = sentence(reasonOf(error, 'waiting for the guest').message);
    record.say(`No heartbeat from the guest: ${why} It may have no VMware Tools, or did not boot`, 'warning');
  }
}
