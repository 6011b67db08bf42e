// The VM that an undoing step may touch: by its moref where that is known, else by the path that only this
// session's VM can have. None is an answer, too: the step never happened.
import { guestRunsWords, type VmStepInput } from '../contract/index.ts';
import type { Vm, Vsphere } from '../vsphere/index.ts';
import { failureFor } from './failures.ts';
import type { Step } from './step.ts';
import { hasMark, standingAt, vmxOf } from './vm-standing.ts';

/** Throws VmMoved or NotOurs rather than hand out a VM that is not, or not any more, the session's. */
export async function ownVm(vsphere: Vsphere, input: VmStepInput, step: Step): Promise<Vm | undefined> {
  const { signal } = step;
  const moref = input.moref ?? (await vsphere.findVmByPath(vmxOf(input), { signal }))?.moref;
  const vm = moref === undefined ? undefined : await vsphere.readVm(moref, { signal });
  if (vm === undefined) return undefined;
  const { standing, detail, wayOut } = await standingAt(vsphere, vm, input, step);
  if (standing === 'ours' || neverStarted(vm, input)) return vm;
  const way = `It is not touched; ${wayOut ?? 'whoever changed it has to decide what becomes of it'}`;
  throw failureFor(
    standing === 'moved' ? 'VmMoved' : 'NotOurs',
    `${vm.name} (${vm.moref}): ${detail}. ${way}`,
  );
}

/** Powers the session's VM off where it is on and may be, and takes it out of the inventory. None is done. */
export async function removeOwnVm(vsphere: Vsphere, input: VmStepInput, step: Step): Promise<void> {
  const vm = await ownVm(vsphere, input, step);
  if (vm === undefined) return;
  // One that is powered on after this look is refused by the target: it unregisters none that runs.
  if (input.sparesGuest === true && vm.powerState === 'poweredOn') {
    throw failureFor('GuestRuns', guestRunsWords(vm));
  }
  if (vm.powerState !== 'poweredOff') await vsphere.powerOffVm(vm.moref, { signal: step.signal });
  await vsphere.unregisterVm(vm.moref, { signal: step.signal });
}

/**
 * A registration that was still under way when it was undone may have arrived by now: it is taken out of the inventory
 * again. One that runs, or does not carry the session's mark, is left alone.
 */
export async function removeLateVm(
  vsphere: Vsphere,
  vmxPath: string,
  sessionId: string,
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  const late = await vsphere.findVmByPath(vmxPath, { signal });
  if (late === undefined || late.powerState === 'poweredOn' || !hasMark(late, sessionId)) return;
  await vsphere.unregisterVm(late.moref, { signal });
}

/**
 * Registered by a start that did not get its answer: nobody had its moref, it was never powered on, and taking
 * it from the inventory touches no file, wherever its disks lie.
 */
function neverStarted(vm: Vm, input: VmStepInput): boolean {
  const isOurs = vm.vmPathName === vmxOf(input) && hasMark(vm, input.sessionId);
  return input.moref === undefined && isOurs && vm.powerState === 'poweredOff';
}
