// Takes a running session's VM to its permanent place, and ends the session there.
//
//   preflight → (verify is done) → its turn → bring it over → hand over → unmount → drop the export
//
// The target migrates it, live or cold, or the session takes it over itself (cross-over.ts), as preflight has found.
// Until the VM is in the new place a failure or a cancel leaves it where it was, with every change: the session runs
// on and can be finalized again. Which side of that point it is on is never guessed: after a migration that did not
// say that it succeeded, the target is asked where the VM is. Where nobody asked for one way alone, the next one is
// tried after one that turned out not to be one. From there on there is only clean-up, which is tried until it is
// done. A VM that somebody migrated by hand enters at "hand over".
import { condition } from '@temporalio/workflow';
import {
  DEFAULT_STEP_TIMEOUT_MS,
  type FinalizePlan,
  type FinalizeRequest,
  placeWords,
  type Vmotion,
  type VmSighting,
} from '../../contract/index.ts';
import { migrationSteps, startSteps, undoSteps } from '../activities-of.ts';
import { failureFrom, type Reason, reasonOf, sentence } from '../failure.ts';
import { take } from '../remove-traces.ts';
import { type RunningSession, runningVmStep, type Session } from '../session.ts';
import { type CrossingOutcome, crossOver } from './cross-over.ts';
import type { FinalizeMeans } from './finalize-desk.ts';
import { beginFinalize, type FinalizeOutcome, goBack, settle } from './finalize-end.ts';
import { guestOutage } from './guest-outage.ts';
import { type MigrationTurn, migrationTurn } from './migration-turn.ts';
import { giveBack, makeWay, tellOriginal } from './original-vm.ts';

/** @param onGone is called when the VM is off the session: what watches it may stop now. */
export async function finalizeSession(
  session: Session,
  running: RunningSession,
  request: FinalizeRequest,
  desk: FinalizeMeans,
  onGone: () => void,
): Promise<FinalizeOutcome> {
  const { record } = session;
  const before = beginFinalize(session, { mode: undefined, datastore: request.datastore });
  const to = request.datastore === undefined ? 'the place of its original' : `datastore ${request.datastore}`;
  record.say(`Finalize: ${running.vm.name} goes to ${to}`);
  const turn = migrationTurn(session);
  const { from, plan, outcome } = await findWay(session, running, request, desk, turn);
  desk.throttle.forget();
  await turn.end();
  if (outcome.kind === 'stuck') return { kind: 'stuck', reason: outcome.reason };
  if (outcome.kind !== 'arrived') return goBack(session, before, outcome);
  return settle(session, plan === undefined ? from : renamed(from, plan), before, onGone, plan);
}

interface Attempted {
  /** The VM as it is registered now. */
  readonly from: RunningSession;
  /** Undefined where nothing was tried. */
  readonly plan: FinalizePlan | undefined;
  readonly outcome: CrossingOutcome;
}

/** Tries one way after the other, until the VM is in production or is to stay where it is. */
async function findWay(
  session: Session,
  running: RunningSession,
  request: FinalizeRequest,
  desk: FinalizeMeans,
  turn: MigrationTurn,
): Promise<Attempted> {
  const { record } = session;
  let from = running;
  let ways: readonly Vmotion[] | undefined;
  for (let asked = request; ; ) {
    const [standing, wanted] = [from, asked];
    desk.throttle.expect(request.throttle);
    const prepared = await attempt('preparing the finalize', () =>
      desk.cancellable(() => prepareInTurn(session, standing, wanted, turn)),
    );
    if ('reason' in prepared) {
      return { from, plan: undefined, outcome: { kind: 'back', reason: prepared.reason, vm: from.vm } };
    }
    const plan = prepared.value;
    const outcome = await bringOver(session, from, plan, desk);
    from = { ...from, vm: outcome.vm };
    if (outcome.kind === 'stuck' || outcome.kind === 'arrived') return { from, plan, outcome };
    await giveBack(session, from, plan);
    const [next, ...rest] = ways ?? plan.fallbacks ?? [];
    if (next === undefined || outcome.kind === 'torn' || !isNoWay(outcome.reason)) {
      return { from, plan, outcome };
    }
    record.say(`${sentence(outcome.reason.message)} Tries another way: ${next}`, 'warning');
    asked = { ...request, vmotion: next };
    ways = rest;
  }
}

/** Where it had to wait for its turn, what was seen before is looked at again: others may have taken the room. */
async function prepareInTurn(
  session: Session,
  running: RunningSession,
  request: FinalizeRequest,
  turn: MigrationTurn,
): Promise<FinalizePlan> {
  let plan = await prepare(session, running, request);
  while (await turn.wait(running, plan)) plan = await prepare(session, running, request);
  return plan;
}

/** Says of the way that it is none here, and not of the VM or of the place that it goes to. */
const NO_WAY: ReadonlySet<string> = new Set([
  'NotSupported',
  'LicenceRestricted',
  'MigrationFailed',
  'PowerOnFailed',
]);
const isNoWay = ({ type }: Reason): boolean => NO_WAY.has(type);

/** By the target's own migration, or by the session's crossing. */
async function bringOver(
  session: Session,
  running: RunningSession,
  plan: FinalizePlan,
  desk: FinalizeMeans,
): Promise<CrossingOutcome> {
  const { crossing } = plan;
  if (crossing === undefined) return migrateAtTarget(session, running, plan, desk);
  const cleared = await attempt('making way', () => desk.cancellable(() => makeWay(session, running, plan)));
  if ('reason' in cleared) return { kind: 'back', vm: running.vm, reason: cleared.reason };
  return crossOver(session, running, { ...plan, crossing }, desk);
}

async function migrateAtTarget(
  session: Session,
  running: RunningSession,
  plan: FinalizePlan,
  desk: FinalizeMeans,
): Promise<CrossingOutcome> {
  const { vm } = running;
  const outage = guestOutage(session, running);
  const migrated = await attempt('the migration', () =>
    desk.cancellable(async () => {
      await makeWay(session, running, plan);
      if (plan.guestAway !== undefined) await outage.begin(plan.guestAway);
      await desk.throttle.copying(() => migrate(session, running, plan));
    }),
  );
  const reason =
    'reason' in migrated ? await notMigrated(session, running, plan, migrated.reason) : undefined;
  const notBack = await outage.end();
  if (reason === undefined) {
    if (notBack === undefined) await outage.awaitBoot(vm);
    return { kind: 'arrived', vm };
  }
  if (notBack === undefined) return { kind: 'back', vm, reason };
  const message = `${sentence(reason.message)} The guest could not be brought back: ${notBack.message}`;
  return { kind: 'torn', vm, reason: { ...reason, message } };
}

/** Somebody has migrated it in the vSphere Client: it is in production, and only clean-up is left. */
export async function finalizeByHand(
  session: Session,
  running: RunningSession,
  onGone: () => void,
): Promise<FinalizeOutcome> {
  const before = beginFinalize(session, { mode: 'byHand', datastore: undefined });
  session.record.say(
    `${running.vm.name} was migrated to production storage by hand: it counts as finalized, and only the session's ` +
      'marks are taken off it',
  );
  return settle(session, running, before, onGone);
}

const renamed = (running: RunningSession, { rename }: FinalizePlan): RunningSession =>
  rename === undefined ? running : { ...running, vm: { ...running.vm, name: rename.to } };

/** Chooses the way, and waits until the chain is known to be whole: what goes to production must be. */
async function prepare(
  session: Session,
  running: RunningSession,
  request: FinalizeRequest,
): Promise<FinalizePlan> {
  const { input, record } = session;
  await guestUp(session, request);
  const steps = startSteps(input.site, input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);
  const plan = await steps.finalizePreflight({ ...runningVmStep(session, running), request });
  for (const warning of plan.warnings) record.say(warning.message, 'warning');
  record.migration({ mode: plan.mode, totalBytes: plan.totalBytes, datastore: plan.datastore.name });
  tellOriginal(session, plan);
  record.say(`Preflight of the finalize passed: ${running.vm.name} is migrated ${wordsOf(plan)}`);
  await verified(session);
  return plan;
}

/** A guest that is to be shut down hears of it from its Tools: one that boots is waited for, as long as a start does. */
async function guestUp({ record }: Session, { vmotion, guestAway }: FinalizeRequest): Promise<void> {
  const isShutDown = vmotion === 'cold' || (vmotion !== 'live' && guestAway === 'shutDown');
  const boots = (): boolean => {
    const { guest, powerState } = record.status();
    return guest === 'awaited' && powerState === 'poweredOn';
  };
  if (!isShutDown || !boots()) return;
  record.update({ step: 'awaitGuest' });
  record.say('The finalize waits until the guest is up, because it is to be shut down');
  await condition(() => !boots());
}

function wordsOf({ mode, guestAway }: FinalizePlan): string {
  if (mode === 'live') return 'live, the guest runs all the time';
  if (mode === 'cold') return `cold, the VM is ${guestAway === undefined ? '' : 'shut down and '}powered off`;
  const away = guestAway === 'suspend' ? 'suspended' : 'shut down and booted again';
  return `with a short outage, the guest runs while its disks are copied and is then ${away}`;
}

async function verified({ record }: Session): Promise<void> {
  const isOpen = (): boolean => ['waiting', 'running'].includes(record.status().verify.state);
  if (isOpen()) {
    record.update({ step: 'verify' });
    record.say('The finalize waits for the verify to end');
    await condition(() => !isOpen());
  }
  const { state, findings } = record.status().verify;
  if (state !== 'failed') return;
  const message =
    `The verify found damage, so the VM is not taken to production as it is. ` +
    findings.map(sentence).join(' ');
  throw failureFrom({ type: 'BlockCorrupt', message: message.trim(), details: [] });
}

async function migrate(session: Session, running: RunningSession, plan: FinalizePlan): Promise<void> {
  const { input, record } = session;
  record.update({ step: 'migrateVm' });
  record.say(`The target migrates ${running.vm.name} to ${placeWords(plan)}`);
  await migrationSteps(input.site).migrateVm({ ...runningVmStep(session, running), plan });
  record.say(`${running.vm.name} is migrated: every file of it lies where it was to go`);
}

/** Undefined when the VM is in production all the same; else why it is not, the migration being over for sure. */
async function notMigrated(
  session: Session,
  running: RunningSession,
  plan: FinalizePlan,
  reason: Reason,
): Promise<Reason | undefined> {
  const { input, record } = session;
  let seen: VmSighting | undefined;
  const unknown = await take(session, 'end the migration', async () => {
    seen = await undoSteps(input.site).endMigration({ ...runningVmStep(session, running), plan });
  });
  if (unknown !== undefined) {
    return {
      ...reason,
      message: `${sentence(reason.message)} Where the VM is, is not known: ${unknown.message}`,
    };
  }
  if (seen?.standing === 'moved') {
    record.say('The migration had come to its end all the same', 'warning');
    return undefined;
  }
  if (seen?.standing === 'ours') return reason;
  const what = seen?.standing === 'gone' ? 'is not in the inventory any more' : 'lies only in part here now';
  const message = `${sentence(reason.message)} ${running.vm.name} ${what} (${seen?.detail ?? ''})`;
  return { type: 'VmMoved', message, details: [] };
}

type Attempt<T> = { readonly value: T } | { readonly reason: Reason };

/** Where a session runs, nothing is cancelled but by a `cancelFinalize`. */
async function attempt<T>(what: string, body: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await body() };
  } catch (error) {
    const reason = reasonOf(error, what);
    if (reason.type !== 'Cancelled') return { reason };
    return { reason: { type: 'FinalizeCancelled', message: 'the finalize was cancelled', details: [] } };
  }
}
