// Sets the disks of changes on the copies of what they stood on, and registers the VM in production; and the way back
// from there. A disk of changes names what it stands on by path and content ID: both are the copy's from here on, and
// what they were is in the plan. The VM is read back before it may run: every disk of it must stand on its copy.
import type {
  CrossingDisk,
  CrossingDisksInput,
  CrossingStepInput,
  ProductionSighting,
  RunningVm,
} from '../../../contract/index.ts';
import { type ParentLink, parentOf, parseDescriptor, withParent } from '../../../vm-folder/index.ts';
import type { Vm, Vsphere } from '../../../vsphere/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor } from '../../failures.ts';
import { absolute } from '../../production-place.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { vmxInProduction } from './place.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets'>;

export async function joinInProduction(
  deps: Deps,
  input: CrossingDisksInput,
  step: Step,
): Promise<RunningVm> {
  assertOwnSession(step, input.sessionId);
  const { place, folder } = input.crossing;
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    for (const disk of input.disks) {
      if (disk.parent === undefined) continue;
      const copy = parseDescriptor(await vsphere.downloadFile(disk.copy, { signal }), disk.copy);
      await setParent(vsphere, disk, { cid: copy.cid, hint: absolute(disk.copy) }, step);
    }
    const { name } = place;
    const spec = { path: vmxInProduction(input), name, folder: place.folder };
    const moref = await vsphere.registerVm(
      { ...spec, pool: place.resourcePool, host: place.host },
      { signal },
    );
    await readBack(vsphere, moref, input, step);
    return { moref, name, hostName: input.placement.host.name, datastore: folder.datastore };
  });
}

export async function sightInProduction(
  deps: Deps,
  input: CrossingStepInput,
  step: Step,
): Promise<ProductionSighting> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const found = await vsphere.findVmByPath(vmxInProduction(input), { signal: step.signal });
    if (found === undefined) return { vm: undefined, powerState: undefined };
    const { moref, name, powerState } = found;
    const { datastore } = input.crossing.folder;
    return { vm: { moref, name, hostName: input.placement.host.name, datastore }, powerState };
  });
}

export async function withdrawFromProduction(
  deps: Deps & Pick<ActivityDeps, 'gateway'>,
  input: CrossingDisksInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  await withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    const there = await vsphere.findVmByPath(vmxInProduction(input), { signal });
    const { fence } = await deps.gateway.exportStatus(input.sessionId);
    if (there !== undefined && (there.powerState === 'poweredOn' || fence === 'final')) {
      throw failureFor('VmMoved', `${there.name} (${there.moref}) has run in production: nothing leads back`);
    }
    if (there !== undefined) await vsphere.unregisterVm(there.moref, { signal });
    for (const disk of input.disks) {
      if (disk.parent !== undefined) await setParent(vsphere, disk, disk.parent, step);
    }
  });
}

/** A write of what is there already would be one chance more to lose it. */
async function setParent(
  vsphere: Vsphere,
  { top }: CrossingDisk,
  parent: ParentLink,
  { signal }: Step,
): Promise<void> {
  const descriptor = parseDescriptor(await vsphere.downloadFile(top, { signal }), top);
  const now = parentOf(descriptor);
  if (now?.cid === parent.cid && now.hint === parent.hint) return;
  await vsphere.uploadFile(top, Buffer.from(withParent(descriptor, parent)), { signal });
}

async function readBack(
  vsphere: Vsphere,
  moref: string,
  input: CrossingDisksInput,
  step: Step,
): Promise<void> {
  const { signal } = step;
  const vm = await vsphere.readVm(moref, { signal });
  if (vm === undefined) throw failureFor('TaskInProgress', `${moref} is registered and not to be read yet`);
  const layers = (top: string, parents: readonly string[]): string => [top, ...parents].join(' on ');
  const expected = input.disks
    .map(({ top, copy, parent }) => (parent === undefined ? copy : layers(top, [copy])))
    .sort();
  const found = layersOf(vm).sort();
  if (expected.join('\n') === found.join('\n')) return;
  await vsphere.unregisterVm(moref, { signal });
  throw failureFor(
    'MigrationFailed',
    `${vm.name} is not run in production: its disks should be ${expected.join('; ')}, and are ${found.join('; ')}`,
  );
}

const layersOf = ({ disks }: Vm): string[] =>
  disks.map(({ fileName, parents }) => [fileName, ...parents].join(' on '));
