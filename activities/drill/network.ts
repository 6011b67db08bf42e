// The isolated network of a drill on its host: a standard vSwitch without uplink and one port group, named by the
// drill's id. Both are looked for before they are made, and gone is done.
import type { DrillNetworkInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { withTarget } from '../target.ts';
import { drillNetwork } from './isolation.ts';
import { assertOwnDrill } from './own-drill.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

export async function makeDrillNetwork(
  deps: Deps,
  { drillId, target, host }: DrillNetworkInput,
  step: Step,
): Promise<void> {
  assertOwnDrill(step, drillId);
  const { signal } = step;
  await withTarget(deps, step, target, (vsphere) =>
    vsphere.addIsolatedPortGroup(host.moref, drillNetwork(drillId), { signal }),
  );
}

export async function removeDrillNetwork(
  deps: Deps,
  { drillId, target, host }: DrillNetworkInput,
  step: Step,
): Promise<void> {
  assertOwnDrill(step, drillId);
  const { signal } = step;
  await withTarget(deps, step, target, (vsphere) =>
    vsphere.removeIsolatedPortGroup(host.moref, drillNetwork(drillId), { signal }),
  );
}
