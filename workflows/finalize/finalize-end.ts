// How a finalize begins in the session's record, and how it ends there: with the VM in production and nothing left of
// the session, or with the VM where it was.
import type {
  FinalizePlan,
  FinalizeResult,
  FinalizeStatus,
  RunningVm,
  SessionStatus,
} from '../../contract/index.ts';
import { undoSteps } from '../activities-of.ts';
import { type Reason, sentence } from '../failure.ts';
import { MIGRATED_PERCENT } from '../progress.ts';
import { removeTraces, take } from '../remove-traces.ts';
import { type RunningSession, runningVmStep, type Session } from '../session.ts';
import { afterArrival } from './original-vm.ts';

/**
 * `failed`: the VM is where it was, perhaps registered anew, and the session runs on. `stuck`: the VM is in
 * production, and what it left behind could not be removed.
 */
export type FinalizeOutcome =
  | { readonly kind: 'finalized'; readonly result: FinalizeResult }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly vm: RunningVm }
  | { readonly kind: 'stuck'; readonly reason: Reason };

/** What the session says of its VM before a finalize, and again after one that goes back. */
export type Before = Pick<SessionStatus, 'status' | 'powerState' | 'guest'>;

export function beginFinalize(
  { record }: Session,
  chosen: Pick<FinalizeStatus, 'mode' | 'datastore'>,
): Before {
  const { status, powerState, guest } = record.status();
  const finalize: FinalizeStatus = {
    ...chosen,
    outcome: 'underWay',
    startedAt: new Date().toISOString(),
    percent: 0,
    totalBytes: undefined,
    bytesPerSecond: undefined,
    leftMs: undefined,
    durationMs: undefined,
    guestAwayMs: undefined,
    failure: undefined,
  };
  record.update({
    state: 'finalizing',
    status: 'In progress',
    step: 'finalizePreflight',
    progressPercent: 0,
    finalize,
  });
  return { status, powerState, guest };
}

/** The VM is in production. */
export async function settle(
  session: Session,
  running: RunningSession,
  before: Before,
  onGone: () => void,
  plan?: FinalizePlan,
): Promise<FinalizeOutcome> {
  const { input, record } = session;
  record.update({ progressPercent: MIGRATED_PERCENT });
  let location: string | undefined;
  const kept = await take(session, "take the session's marks off the VM", async () => {
    ({ location } = await undoSteps(input.site).handOverVm(runningVmStep(session, running)));
  });
  if (kept !== undefined) return goBack(session, before, { kind: 'held', reason: kept, vm: running.vm });
  onGone();
  record.say(
    location === undefined
      ? `${running.vm.name} is not in the inventory any more`
      : `${running.vm.name} is in production: ${location}`,
  );
  const left = await removeTraces(session, running);
  if (left !== undefined) return { kind: 'stuck', reason: left };
  if (plan !== undefined) await afterArrival(session, running, plan, before);
  return { kind: 'finalized', result: finish(session, running, location) };
}

function finish(
  { input, record }: Session,
  { vm }: RunningSession,
  location: string | undefined,
): FinalizeResult {
  const { finalize } = record.status();
  const mode = finalize?.mode ?? 'byHand';
  const datastore = datastoreOf(location) ?? finalize?.datastore;
  const durationMs = Date.now() - Date.parse(finalize?.startedAt ?? new Date().toISOString());
  const guestAwayMs = mode === 'live' ? 0 : finalize?.guestAwayMs;
  record.update({ vm: location === undefined ? undefined : { ...vm, datastore: datastore ?? '' } });
  record.migration({ outcome: 'done', percent: 100, leftMs: undefined, datastore, durationMs, guestAwayMs });
  const movedBytes = finalize?.totalBytes;
  const original = finalize?.original;
  return {
    sessionId: input.sessionId,
    state: 'finalized',
    mode,
    datastore,
    movedBytes,
    durationMs,
    guestAwayMs,
    ...(original === undefined ? {} : { original }),
  };
}

const datastoreOf = (location: string | undefined): string | undefined =>
  /^\[(.+?)\] /.exec(location ?? '')?.[1];

const standsNow = {
  back: 'It runs from its backup as before, with every change',
  torn: 'Its changes are kept; where it runs is to be settled by hand',
  held: 'It is past its migration, and the session holds on to it: settle that, then finalize it again',
} as const;

export function goBack(
  { record }: Session,
  before: Before,
  {
    kind,
    reason,
    vm,
  }: { readonly kind: keyof typeof standsNow; readonly reason: Reason; readonly vm: RunningVm },
): FinalizeOutcome {
  const wasCancelled = reason.type === 'FinalizeCancelled';
  const now = record.status();
  const concern = !wasCancelled || now.guest === 'silent' ? 'Warning' : before.status;
  const isTorn = kind === 'torn';
  const isDamaged =
    isTorn || now.status === 'Error' || before.status === 'Error' || reason.type === 'BlockCorrupt';
  record.migration({
    outcome: wasCancelled ? 'cancelled' : 'failed',
    bytesPerSecond: undefined,
    leftMs: undefined,
    failure: wasCancelled ? undefined : { type: reason.type, message: reason.message },
  });
  record.update({
    state: 'running',
    step: 'running',
    progressPercent: 100,
    status: isDamaged ? 'Error' : concern,
  });
  if (wasCancelled) record.say(`The finalize was cancelled. ${standsNow[kind]}`, 'warning');
  else record.say(`Not finalized: ${sentence(reason.message)} ${standsNow[kind]}`, 'error');
  return { kind: 'failed', reason, vm };
}
