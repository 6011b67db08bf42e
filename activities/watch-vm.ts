// Keeps an eye on a running VM for hours and ends as soon as something about it is new: its power state, or
// whose it is, or what the host asks about it. A power state and a question are heard at once; a move is looked
// for once a minute.
import { setTimeout as delay } from 'node:timers/promises';
import type { VmSighting, WatchVmInput } from '../contract/index.ts';
import { type Vsphere, VsphereError } from '../vsphere/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';
import { withTarget } from './target.ts';
import { findCrossing, sightVm } from './vm-standing.ts';

const LOOK_EVERY_MS = 60_000;
/** Where there is no VM to listen to: one that goes over to production is back in a moment, under another reference. */
const LOOK_FOR_IT_EVERY_MS = 10_000;
/** Below the Workflow's limit for one watch. */
const WATCH_FOR_MS = 5 * 3_600_000;

export async function watchVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: WatchVmInput,
  step: Step,
): Promise<VmSighting> {
  const until = Date.now() + WATCH_FOR_MS;
  for (;;) {
    const seen = await withTarget(deps, step, input.target, (vsphere) => look(vsphere, input, step));
    if (isNew(seen, input.known) || Date.now() > until) return seen;
  }
}

/** Whether something is true of the VM that the session does not know. */
export function isNew(seen: VmSighting, known: WatchVmInput['known']): boolean {
  return (
    seen.standing !== known.standing ||
    seen.powerState !== known.powerState ||
    seen.question?.id !== known.question?.id
  );
}

/** Waits for another power state or question, a minute at most, and looks. */
async function look(vsphere: Vsphere, input: WatchVmInput, step: Step): Promise<VmSighting> {
  if (!(await listen(vsphere, input.moref, input, step)) && input.known.standing !== 'ours') {
    // Registered anew, or gone: what is known already is no reason to look at once.
    const crossing = await findCrossing(vsphere, input, step);
    const listened = crossing !== undefined && (await listen(vsphere, crossing.moref, input, step));
    if (!listened) await delay(LOOK_FOR_IT_EVERY_MS, undefined, { signal: step.signal });
  }
  return sightVm(vsphere, input, input.moref, step);
}

/** False where there is no such VM. */
async function listen(
  vsphere: Vsphere,
  moref: string,
  { known }: WatchVmInput,
  { signal }: Step,
): Promise<boolean> {
  try {
    await vsphere.waitForVm(
      moref,
      ({ powerState, question }) => powerState !== known.powerState || question?.id !== known.question?.id,
      { timeoutMs: LOOK_EVERY_MS, signal },
    );
    return true;
  } catch (error) {
    if (error instanceof VsphereError && error.code === 'NotFound') return false;
    throw error;
  }
}
