// From here on the VM can't run from the session's directory any more: the gateway refuses its files, through every
// crash, and then it is taken out of the inventory. The way back lifts the fence and registers it anew; the gateway
// refuses that once the VM has run in production.
import type { CrossingStepInput, FenceOldVmInput, RunningVm } from '../../../contract/index.ts';
import type { Vsphere } from '../../../vsphere/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor } from '../../failures.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { standingOf, vmxOf } from '../../vm-standing.ts';
import { assertUnchanged } from './freeze-disks.ts';
import { vmxInProduction } from './place.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>;

export async function fenceOldVm(deps: Deps, input: FenceOldVmInput, step: Step): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    const { fence } = await deps.gateway.exportStatus(input.sessionId);
    // Behind a fence the host can't read the VM any more.
    if (fence === undefined) await assertAtRest(vsphere, input, step);
    await deps.gateway.fence(input.sessionId, input.keep);
    await vsphere.unregisterVm(input.moref, { signal: step.signal });
  });
}

export async function returnOldVm(deps: Deps, input: CrossingStepInput, step: Step): Promise<RunningVm> {
  assertOwnSession(step, input.sessionId);
  const { placement, crossing } = input;
  const { name, folder, resourcePool: pool, host } = crossing.from;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    const there = await vsphere.findVmByPath(vmxInProduction(input), { signal });
    if (there !== undefined) {
      throw failureFor('VmMoved', `${there.name} (${there.moref}) is registered in production still`);
    }
    await deps.gateway.liftFence(input.sessionId);
    const spec = { path: vmxOf(input), name, folder, pool, host };
    const moref = await vsphere.registerVm(spec, { signal });
    return { moref, name, hostName: placement.host.name, datastore: placement.datastore };
  });
}

async function assertAtRest(vsphere: Vsphere, input: FenceOldVmInput, { signal }: Step): Promise<void> {
  const vm = await vsphere.readVm(input.moref, { signal });
  if (vm === undefined)
    throw failureFor('NotFound', `${input.moref} is not in the target's inventory any more`);
  const { standing, detail } = standingOf(vm, input);
  if (standing === 'ours' && vm.powerState !== 'poweredOn') {
    await assertUnchanged(vsphere, input.disks, { signal });
    return;
  }
  const why = standing === 'ours' ? 'somebody powered it on' : detail;
  throw failureFor('MigrationFailed', `${vm.name} can't go over to production now: ${why}`);
}
