// The VM that is to get a disk: which one is meant, and what stands against it.
import type { RestoreDiskInput } from '../../contract/index.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import type { Vm, VmSummary, Vsphere } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';

const MAX_NAMED = 20;

/** Undefined when there is an error among the findings. */
export async function lookAtVm(
  vsphere: Vsphere,
  vms: readonly VmSummary[],
  { toVm }: Pick<RestoreDiskInput, 'toVm'>,
  { signal }: Pick<Step, 'signal'>,
  found: Findings,
): Promise<Vm | undefined> {
  const meant = chooseVm(vms, toVm, found);
  if (meant === undefined) return undefined;
  const vm = await vsphere.readVm(meant.moref, { signal });
  if (vm === undefined) {
    found.error('NotFound', `VM ${meant.name} (${meant.moref}) is not there any more`);
    return undefined;
  }
  lookAtOwner(vm, found);
  if (vm.powerState === 'suspended') {
    found.error(
      'VmSuspended',
      `VM ${vm.name} (${vm.moref}) is suspended, and gets no disk so. Resume it, or power it off`,
    );
  }
  if ((await vsphere.findDiskPlace(vm.moref, { signal })) === undefined) {
    found.error(
      'NoPlace',
      `VM ${vm.name} (${vm.moref}) has no place for another disk: all its SCSI, SATA and NVMe controllers are full. ` +
        'Remove a disk that it does not need',
    );
  }
  return vm;
}

/** By moref, else by name. */
function chooseVm(vms: readonly VmSummary[], wanted: string, found: Findings): VmSummary | undefined {
  const byMoref = vms.find(({ moref }) => moref === wanted);
  const byName = vms.filter(({ name }) => name === wanted);
  const [only, ...others] = byMoref === undefined ? byName : [byMoref];
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined) {
    const morefs = byName.map(({ moref }) => moref).join(', ');
    found.error(
      'Ambiguous',
      `The target has ${byName.length} VMs named ${wanted}. Name one by its id: ${morefs}`,
    );
    return undefined;
  }
  const names = vms.map(({ name }) => name).sort();
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  const known = names.length === 0 ? 'none' : `${names.slice(0, MAX_NAMED).join(', ')}${more}`;
  found.error('NotFound', `The target has no VM ${wanted}; it has ${known}`);
  return undefined;
}

/** A session knows its VM by all of its files: a disk that lies elsewhere would make it somebody else's. */
function lookAtOwner({ name, moref, extraConfig }: Vm, found: Findings): void {
  const session = extraConfig[SESSION_KEY];
  if (session === undefined || session === '') return;
  found.error(
    'NotSupported',
    `VM ${name} (${moref}) runs from its backup, as session ${session}: a disk of production would make it unknown ` +
      'to that session. Finalize it first, or name another VM',
  );
}
