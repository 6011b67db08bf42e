// The VM whose place a session's VM takes: what is to become of it, and where it stands.
import { type FinalizeRequest, MAX_VM_NAME_CHARACTERS, type OriginalPlan } from '../../contract/index.ts';
import type { Vm, VmSummary, Vsphere } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';
import { datastoreOf } from '../vm-standing.ts';
import { ASIDE, differences, recognise, type Successor } from './recognise-original.ts';

export interface FoundOriginal {
  readonly vm: Vm;
  readonly plan: OriginalPlan;
}

/** Undefined when there is an error among the findings. */
export async function findOriginal(
  vsphere: Vsphere,
  vms: readonly VmSummary[],
  successor: Successor,
  request: FinalizeRequest,
  { signal }: Pick<Step, 'signal'>,
  found: Findings,
): Promise<FoundOriginal | undefined> {
  const recognised = recognise(vms, successor, request.original, found);
  if (recognised === undefined) return undefined;
  const vm = await vsphere.readVm(recognised.vm.moref, { signal });
  if (vm === undefined) {
    found.error('NotFound', `The original ${recognised.vm.name} has just gone from the inventory`);
    return undefined;
  }
  const differs = recognised.byItsDisks ? differences(vm, successor) : undefined;
  if (differs !== undefined) {
    found.error('NotTheOriginal', differs);
    return undefined;
  }
  lookAtPower(vm, request, found);
  const { name, asideName } = namesOf(vm.name, successor.sessionId);
  const plan: OriginalPlan = {
    ...{ moref: vm.moref, name, asideName, uuid: vm.uuid, recognised: recognised.by },
    wasPoweredOn: vm.powerState === 'poweredOn',
    remove: request.removeOriginal === true,
  };
  return { vm, plan };
}

function namesOf(name: string, sessionId: string): Pick<OriginalPlan, 'name' | 'asideName'> {
  const ending = `${ASIDE}${sessionId}`;
  if (name.endsWith(ending)) return { name: name.slice(0, -ending.length), asideName: name };
  // A character of two halves is not cut in the middle: no target gives such a name back as it was sent.
  const start = name.slice(0, MAX_VM_NAME_CHARACTERS - ending.length).replace(/[\uD800-\uDBFF]$/, '');
  return { name, asideName: `${start}${ending}` };
}

function lookAtPower({ name, moref, powerState }: Vm, request: FinalizeRequest, found: Findings): void {
  if (powerState === 'suspended') {
    found.error(
      'OriginalSuspended',
      `The original ${name} (${moref}) is suspended: resume it, or power it off`,
    );
  }
  if (powerState !== 'poweredOn' || request.powerOffOriginal === true) return;
  found.error(
    'OriginalRunning',
    `The original ${name} (${moref}) runs. Shut it down, or let the finalize do it with --power-off-original`,
  );
}

/** Where a VM stands, said as a request: what the request names itself holds. */
export function inPlaceOf({ vm, plan }: FoundOriginal, request: FinalizeRequest): FinalizeRequest {
  const home = datastoreOf(vm.vmPathName);
  const disks = vm.disks.flatMap(({ node, fileName }) =>
    node === undefined ? [] : [{ node, datastore: datastoreOf(fileName) }],
  );
  const own = request.datastore === undefined ? disks.filter(({ datastore }) => datastore !== home) : [];
  const named = request.disks ?? [];
  const host = request.host ?? vm.host;
  const folder = request.folder ?? vm.folder;
  const resourcePool = request.resourcePool ?? (request.host === undefined ? vm.resourcePool : undefined);
  return {
    ...request,
    datastore: request.datastore ?? home,
    disks: [...own.filter(({ node }) => !named.some((each) => each.node === node)), ...named],
    name: request.name ?? plan.name,
    ...(host === undefined ? {} : { host }),
    ...(folder === undefined ? {} : { folder }),
    ...(resourcePool === undefined ? {} : { resourcePool }),
  };
}
