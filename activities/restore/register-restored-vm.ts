// Registers the restored VM in production and reads it back: unless every file of it lies in its own folders, and it
// carries the session's mark, it is taken out of the inventory again and not handed over.
import { inProduction, type RestoreStepInput, type RunningVm } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { readBack } from '../register-vm.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { vmxOf } from '../vm-standing.ts';

export async function registerRestoredVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: RestoreStepInput,
  step: Step,
): Promise<RunningVm> {
  assertOwnSession(step, input.sessionId);
  const place = inProduction(input);
  const { host, folder, resourcePool: pool, vmName, datastore } = place.placement;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const spec = { folder, path: vmxOf(place), name: vmName, pool, host: host.moref };
    const moref = await vsphere.registerVm(spec, { signal: step.signal });
    const name = await readBack(vsphere, place, moref, step);
    return { moref, name, hostName: host.name, datastore };
  });
}
