// Takes the guest away from the old place, and brings it back there. Suspended, it goes on later as if nothing had
// been; shut down by its own system, it boots. What is asked for already being so is done.
import type { RunningVmInput, TakeGuestAwayInput } from '../../../contract/index.ts';
import type { Vsphere } from '../../../vsphere/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor, failureTypeOf, nonRetryable } from '../../failures.ts';
import { bySession, powerOnAsMoved } from '../../power-on-vm.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { assertOurs, readVm } from './freeze-disks.ts';
import { savedStateBytes } from './saved-state.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

/** A system with much to end takes minutes; one that waits for somebody's answer never does. */
const SHUT_DOWN_LIMIT_MS = 300_000;

export async function takeGuestAway(
  deps: Deps & Pick<ActivityDeps, 'gateway'>,
  input: TakeGuestAwayInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    const vm = await readVm(vsphere, input, step);
    const { powerState, name } = vm;
    if (powerState !== 'poweredOn') return;
    // Somebody may have taken it to production by hand while its disks were copied.
    assertOurs(vm, input);
    if (input.how === 'suspend') {
      await makeRoom(deps.gateway, vsphere, input, step);
      await vsphere.suspendVm(input.moref, { signal: step.signal });
    } else await shutDown(vsphere, name, input, step);
  });
}

export async function bringGuestBack(
  deps: Deps & Pick<ActivityDeps, 'gateway'>,
  input: RunningVmInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  // It reads what a copy may have been held back from.
  await deps.gateway.liftReadLimit(input.sessionId);
  await withTarget(deps, step, input.target, (vsphere) =>
    powerOnAsMoved(vsphere, input.moref, bySession(input.sessionId), step),
  );
}

/** Throws NotSupported where there is no room for the guest's memory. */
async function makeRoom(
  gateway: ActivityDeps['gateway'],
  vsphere: Vsphere,
  input: TakeGuestAwayInput,
  step: Step,
): Promise<void> {
  const bytes = await savedStateBytes(vsphere, input, step);
  if (bytes === undefined) return;
  try {
    await gateway.makeRoom(input.sessionId, bytes);
  } catch (error) {
    if (failureTypeOf(error) !== 'StorageFull') throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw nonRetryable('NotSupported', `The gateway has no room for the guest's memory: ${why}`);
  }
}

async function shutDown(
  vsphere: Vsphere,
  name: string,
  { moref }: TakeGuestAwayInput,
  { signal }: Step,
): Promise<void> {
  const { toolsRunningStatus } = (await vsphere.readVm(moref, { signal })) ?? {};
  if (toolsRunningStatus !== 'guestToolsRunning') {
    throw nonRetryable('NotSupported', `${name} can't be shut down from outside: its VMware Tools don't run`);
  }
  await vsphere.shutdownGuest(moref, { signal });
  const isOff = ({ powerState }: { readonly powerState: string }): boolean => powerState === 'poweredOff';
  const seen = await vsphere.waitForVm(moref, isOff, { signal, timeoutMs: SHUT_DOWN_LIMIT_MS });
  if (seen !== undefined) return;
  const minutes = SHUT_DOWN_LIMIT_MS / 60_000;
  throw failureFor('MigrationFailed', `${name} was asked to shut down and did not within ${minutes} minutes`);
}
