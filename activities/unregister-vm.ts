// Takes the session's VM out of the inventory; its files are the gateway's affair. Never registered is done.
import type { VmStepInput } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import { removeOwnVm } from './own-vm.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';

export async function unregisterVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: VmStepInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, (vsphere) => removeOwnVm(vsphere, input, step));
}
