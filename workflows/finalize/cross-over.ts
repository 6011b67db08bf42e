// Takes a VM to production where the target does not migrate it: its disks are copied by the session, and it is
// registered anew in a folder of production.
//
//   claim the folder → freeze → copy → guest away → stage → fence → join │ run → settle → release
//
// With a short outage the guest runs while the disks are copied, and is suspended (or restarted) between two places;
// cold, it is off from before the copy on. The bar is the point of no return: what fails or is cancelled before the VM
// runs in production is undone, and the guest goes on from the gateway with every change; after it there is only
// forward. Where the VM is, is read whenever a step has not said it. The gateway's fence stands between the two places
// from before the VM is registered in the new one until it is known not to be there: never both, never neither.
import {
  type CrossingDisk,
  type CrossingPlan,
  DEFAULT_STEP_TIMEOUT_MS,
  type FinalizePlan,
  folderWords,
  type GuestAway,
  type ProductionPlace,
  type ProductionSighting,
  type RunningVm,
} from '../../contract/index.ts';
import { longUndoSteps, migrationSteps, outageSteps, undoSteps } from '../activities-of.ts';
import { type Compensation, type Compensations, compensations } from '../compensation.ts';
import { cancelled, type Reason, reasonOf, sentence } from '../failure.ts';
import { leftToDo } from '../left-behind.ts';
import { take } from '../remove-traces.ts';
import { type RunningSession, runningVmStep, type Session } from '../session.ts';
import { sayUndone } from '../undo-words.ts';
import type { FinalizeMeans } from './finalize-desk.ts';
import { type GuestOutage, guestOutage } from './guest-outage.ts';

export type CrossingFinalizePlan = FinalizePlan & { readonly crossing: CrossingPlan };

/**
 * `back`: the VM is where it was, with every change. `torn`: it could not be brought back whole, and the reason says
 * what is left to do by hand. `stuck`: it runs in production, and still stands on the session.
 */
export type CrossingOutcome =
  | { readonly kind: 'arrived'; readonly vm: RunningVm }
  | (({ readonly kind: 'back' } | { readonly kind: 'torn' } | { readonly kind: 'stuck' }) & {
      readonly vm: RunningVm;
      readonly reason: Reason;
    });

/** What a crossing knows on its way. */
interface Crossing {
  readonly session: Session;
  readonly running: RunningSession;
  readonly plan: CrossingFinalizePlan;
  readonly undo: Compensations;
  /** As it is registered in the old place: it may have another moref after a return. */
  old: RunningVm;
  /** As it was planned, and from its claim on where it is for good; those of disks on other datastores, too. */
  folder: ProductionPlace;
  disks: readonly CrossingDisk[];
  readonly outage: GuestOutage;
}

export async function crossOver(
  session: Session,
  running: RunningSession,
  plan: CrossingFinalizePlan,
  desk: FinalizeMeans,
): Promise<CrossingOutcome> {
  const undo = compensations();
  const outage = guestOutage(session, running);
  const { folder } = plan.crossing;
  const crossing: Crossing = {
    ...{ session, running, plan, undo, outage },
    ...{ old: running.vm, folder, disks: [] },
  };
  let there: RunningVm;
  try {
    there = await desk.cancellable(async () => {
      await copyDisks(crossing, desk);
      return await goOver(crossing);
    });
    await run(crossing, there);
  } catch (error) {
    const outcome = await goBack(crossing, reasonFor(error));
    if (outcome.kind !== 'arrived') return outcome;
    there = outcome.vm;
  }
  return settleIn(crossing, there);
}

function reasonFor(error: unknown): Reason {
  if (!cancelled(error)) return reasonOf(error, 'taking the VM to production');
  return { type: 'FinalizeCancelled', message: 'the finalize was cancelled', details: [] };
}

const stepOf = ({ session, running, plan, old, folder }: Crossing) => ({
  ...runningVmStep(session, { ...running, vm: old }),
  crossing: { ...plan.crossing, folder },
});

const timeoutOf = ({ input }: Session): number => input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS;

/** Everything that takes as long as there is data; with a short outage, under the running guest. */
async function copyDisks(crossing: Crossing, { throttle }: FinalizeMeans): Promise<void> {
  const { session, plan, undo } = crossing;
  const { input, record } = session;
  const { whileRunning, isFrozen = false } = plan.crossing;
  const long = migrationSteps(input.site);
  undo.push({
    name: 'remove what was copied to production',
    run: () => {
      const tasks = record.copyTasks();
      return undoSteps(input.site).removeProductionFolder({ ...stepOf(crossing), tasks });
    },
  });
  record.update({ step: 'claimProductionFolder' });
  const steps = outageSteps(input.site, timeoutOf(session));
  crossing.folder = await steps.claimProductionFolder(stepOf(crossing));
  if (whileRunning && !isFrozen) {
    const thaw = longUndoSteps(input.site);
    undo.push({ name: 'merge the changes back', run: () => thaw.thawDisks(stepOf(crossing)) });
  } else if (!whileRunning && plan.guestAway !== undefined) {
    await takeAway(crossing, plan.guestAway);
  }
  record.update({ step: 'freezeDisks' });
  crossing.disks = await long.freezeDisks(stepOf(crossing));
  const guest = whileRunning ? 'the guest runs on' : 'the VM is off';
  record.say(`Copies ${diskWords(crossing.disks)} to folder ${folderWords(crossing.folder)}; ${guest}`);
  record.update({ step: 'copyFrozenDisk' });
  const totalBytes = crossing.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  await throttle.copying(async () => {
    let beforeBytes = 0;
    for (const disk of crossing.disks) {
      await long.copyFrozenDisk({ ...stepOf(crossing), disk, beforeBytes, totalBytes });
      beforeBytes += disk.sizeBytes;
    }
  });
  record.migration({ percent: 100, bytesPerSecond: undefined, leftMs: undefined });
  record.say(`${diskWords(crossing.disks)} copied`);
}

const diskWords = ({ length }: readonly unknown[]): string => (length === 1 ? '1 disk' : `${length} disks`);

/** The outage: from the old place, through the fence, up to a VM that is registered in the new one. */
async function goOver(crossing: Crossing): Promise<RunningVm> {
  const { session, plan, undo, disks } = crossing;
  const { input, record } = session;
  const steps = outageSteps(input.site, timeoutOf(session));
  if (plan.crossing.whileRunning && plan.guestAway !== undefined) await takeAway(crossing, plan.guestAway);
  record.update({ step: 'stageVm' });
  const { keep } = await steps.stageVm({ ...stepOf(crossing), disks });
  undo.push({ name: 'register the VM where it was', run: () => returnOld(crossing) });
  record.update({ step: 'fenceOldVm' });
  await steps.fenceOldVm({ ...stepOf(crossing), disks, keep });
  record.say('The gateway has fenced the old VM: it can not run any more');
  undo.push({
    name: 'withdraw the VM from production',
    run: () => undoSteps(input.site).withdrawFromProduction({ ...stepOf(crossing), disks }),
  });
  record.update({ step: 'joinInProduction' });
  const there = await steps.joinInProduction({ ...stepOf(crossing), disks });
  record.say(`${there.name} is registered on datastore ${there.datastore} (${there.moref})`);
  return there;
}

async function takeAway(crossing: Crossing, how: GuestAway): Promise<void> {
  const { undo, outage } = crossing;
  undo.push({ name: 'bring the guest back', run: () => outage.bringBack(crossing.old) });
  await outage.begin(how);
}

async function returnOld(crossing: Crossing): Promise<void> {
  const { session } = crossing;
  crossing.old = await undoSteps(session.input.site).returnOldVm(stepOf(crossing));
  session.record.update({ vm: crossing.old });
}

/** The point of no return, behind which the outage is over. */
async function run(crossing: Crossing, there: RunningVm): Promise<void> {
  const { session, outage } = crossing;
  const { input, record } = session;
  const isAway = outage.since() !== undefined;
  record.update({ step: 'runInProduction' });
  const { runsAtMs } = await outageSteps(input.site, timeoutOf(session)).runInProduction({
    ...stepOf(crossing),
    there: there.moref,
    powerOn: isAway,
  });
  if (!isAway) return;
  const seconds = (outage.over(runsAtMs) / 1000).toFixed(1);
  const guest = outage.boots() ? 'its guest boots' : `its guest was away for ${seconds} s`;
  record.say(`${there.name} runs in production; ${guest}`);
}

/** Behind the point of no return: the guest's boot, where it had one, and the end of the session's part in its disks. */
async function settleIn(crossing: Crossing, there: RunningVm): Promise<CrossingOutcome> {
  const { session, plan } = crossing;
  const { input } = session;
  const step = { ...stepOf(crossing), there: there.moref, cards: plan.cards ?? [] };
  await crossing.outage.awaitBoot(there);
  const merge = () => longUndoSteps(input.site).settleInProduction(step);
  const isThere = ({ type }: Reason): boolean => type !== 'NotFound';
  const reason = await take(session, 'merge the changes in production', merge, isThere);
  if (reason !== undefined) return { kind: 'stuck', vm: there, reason };
  session.record.say(`Every disk of ${there.name} lies in production, with every change`);
  const release = () => undoSteps(input.site).releaseProductionFolder(stepOf(crossing));
  const kept = await take(session, "take the session's file out of each folder", release);
  return kept === undefined ? { kind: 'arrived', vm: there } : { kind: 'stuck', vm: there, reason: kept };
}

/** Undoes what was begun; where the VM has run in production all the same, it has arrived. */
async function goBack(crossing: Crossing, reason: Reason): Promise<CrossingOutcome> {
  const { record } = crossing.session;
  record.say(`${sentence(reason.message)} The VM goes back to the gateway`, 'warning');
  const { left, reason: stuck } = await crossing.undo.undo(sayUndone(crossing.session));
  if (stuck === undefined) return { kind: 'back', reason, vm: crossing.old };
  const seen = stuck.type === 'VmMoved' ? await sight(crossing) : undefined;
  if (seen?.vm !== undefined) {
    record.say(`${seen.vm.name} has run in production all the same: it stays there`, 'warning');
    return { kind: 'arrived', vm: seen.vm };
  }
  const message = leftToDo(reason, left, stuck);
  return { kind: 'torn', reason: { ...reason, message }, vm: crossing.old };
}

async function sight(crossing: Crossing): Promise<ProductionSighting | undefined> {
  const { session } = crossing;
  let seen: ProductionSighting | undefined;
  const look: Compensation['run'] = async () => {
    seen = await undoSteps(session.input.site).sightInProduction(stepOf(crossing));
  };
  await take(session, 'see where the VM is', look);
  return seen;
}
