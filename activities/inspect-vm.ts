// Looks at a session's VM and says whose it is now.
import type { RunningVmInput, VmSighting } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';
import { withTarget } from './target.ts';
import { sightVm } from './vm-standing.ts';

export async function inspectVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: RunningVmInput,
  step: Step,
): Promise<VmSighting> {
  return withTarget(deps, step, input.target, (vsphere) => sightVm(vsphere, input, input.moref, step));
}
