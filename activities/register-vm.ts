// Registers the published VM and reads it back: unless every disk lies in the session's directory it is taken
// out again, because powering it on would write to a disk that is not ours. The mount is made sure of once more
// (host-mount.ts says why).
import type { RunningVm, TargetStepInput } from '../contract/index.ts';
import { type Vsphere, VsphereError } from '../vsphere/index.ts';
import { connectCards } from './connect-cards.ts';
import type { ActivityDeps } from './deps.ts';
import { failureFor } from './failures.ts';
import { ensureMounted, withHostLock } from './host-mount.ts';
import type { Step } from './step.ts';
import { assertOwnSession, withTarget } from './target.ts';
import { standingOf, vmxOf } from './vm-standing.ts';

export async function registerVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: TargetStepInput,
  step: Step,
): Promise<RunningVm> {
  assertOwnSession(step, input.sessionId);
  const { host, folder, resourcePool: pool, vmName, datastore } = input.placement;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const moref = await withHostLock(deps.gateway, input, step, async () => {
      await ensureMounted(deps.gateway, vsphere, input, step);
      const spec = { folder, path: vmxOf(input), name: vmName, pool, host: host.moref };
      return vsphere
        .registerVm(spec, { signal: step.signal })
        .catch((error: unknown) => rethrow(error, vsphere, input, step));
    });
    const name = await readBack(vsphere, input, moref, step);
    return { moref, name, hostName: host.name, datastore };
  });
}

/** A datastore that went away in this very moment comes back with the next attempt. */
async function rethrow(
  error: unknown,
  vsphere: Vsphere,
  { placement: { datastore, host } }: TargetStepInput,
  step: Step,
): Promise<never> {
  const isMissing = error instanceof VsphereError && error.code === 'NotFound';
  if (!isMissing) throw error;
  const { datastores } = await vsphere.inventory({ signal: step.signal });
  if (datastores.some(({ name, hosts }) => name === datastore && hosts.includes(host.moref))) throw error;
  throw failureFor('TaskInProgress', `Datastore ${datastore} was unmounted from host ${host.name} meanwhile`);
}

export async function readBack(
  vsphere: Vsphere,
  input: TargetStepInput,
  moref: string,
  step: Step,
): Promise<string> {
  const vm = await vsphere.readVm(moref, { signal: step.signal });
  if (vm === undefined)
    throw failureFor('TaskInProgress', `${moref} was registered and is not to be read yet`);
  const { standing, detail } = standingOf(vm, input);
  if (standing === 'ours') {
    await connectCards(vsphere, vm, input.placement.cards ?? [], step);
    return vm.name;
  }
  await vsphere.unregisterVm(moref, { signal: step.signal });
  throw failureFor('NotOurs', `${vm.name} is not powered on, its files are not all the session's: ${detail}`);
}
