// Powers the session's VM off, hard: its changes are about to be discarded. Off, or never there, is done.
import type { VmStepInput } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import { ownVm } from './own-vm.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';

export async function powerOffVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: VmStepInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    const vm = await ownVm(vsphere, input, step);
    if (vm !== undefined) await vsphere.powerOffVm(vm.moref, { signal: step.signal });
  });
}
