// Which VM on the target is the original of a backup: told by the UUID of its instance, else by that of its BIOS, which
// a .vmx keeps wherever it goes. A session's own VM, and VMs that were replaced before, have the same ones and are left
// out.
import {
  type FinalizeRequest,
  MAX_VM_NAME_CHARACTERS,
  type OriginalPlan,
  type OriginMark,
} from '../../contract/index.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import type { Vm, VmSummary, Vsphere } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';

const ASIDE = '.replaced-by-';

export interface FoundOriginal {
  readonly vm: Vm;
  readonly plan: OriginalPlan;
}

/** Whose place it is: a session's VM, by its moref once it is registered. */
export interface Successor {
  readonly sessionId: string;
  readonly moref: string | undefined;
  readonly origin: OriginMark | undefined;
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
  const recognised = recognise(vms, successor, found);
  if (recognised === undefined) return undefined;
  const vm = await vsphere.readVm(recognised.vm.moref, { signal });
  if (vm === undefined) {
    found.error('NotFound', `The original ${recognised.vm.name} has just gone from the inventory`);
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

function recognise(
  vms: readonly VmSummary[],
  { sessionId, moref, origin }: Successor,
  found: Findings,
): { readonly vm: VmSummary; readonly by: string } | undefined {
  const standing = vms.filter(
    (vm) => vm.moref !== moref && !(SESSION_KEY in vm.extraConfig) && !isReplaced(vm, sessionId),
  );
  const { instanceUuid, uuid, name } = origin ?? {};
  const [byInstance, ...moreByInstance] = withUuid(standing, 'instanceUuid', instanceUuid);
  if (byInstance !== undefined && moreByInstance.length === 0) {
    return { vm: byInstance, by: `by the UUID of its instance, ${byInstance.instanceUuid}` };
  }
  const byBios = withUuid(standing, 'uuid', uuid);
  const [first] = byBios;
  if (first === undefined) {
    const looked = [instanceUuid, uuid].filter((each) => each !== undefined).join(' or ');
    found.error(
      'NotFound',
      `No VM on the target is the original of this backup: none has the UUID ${looked || '(the backup has none)'}. ` +
        'Say where the VM goes with --datastore, --host, --folder and --name instead of --location original',
    );
    return undefined;
  }
  if (byBios.length === 1) return { vm: first, by: `by the UUID of its BIOS, ${first.uuid}` };
  const [byName, ...moreByName] = byBios.filter((vm) => vm.name === name);
  if (byName !== undefined && moreByName.length === 0) {
    return { vm: byName, by: `by its name and the UUID of its BIOS, ${byName.uuid}` };
  }
  const names = byBios.map((vm) => `${vm.name} (${vm.moref})`).join(', ');
  found.error(
    'OriginalAmbiguous',
    `Several VMs have the UUID of the original, ${first.uuid}: ${names}. Say where the VM goes with --datastore, ` +
      '--host, --folder and --name instead of --location original',
  );
  return undefined;
}

const withUuid = (
  vms: readonly VmSummary[],
  of: 'uuid' | 'instanceUuid',
  wanted: string | undefined,
): readonly VmSummary[] =>
  wanted === undefined || wanted === ''
    ? []
    : vms.filter((vm) => vm[of].toLowerCase() === wanted.toLowerCase());

/** Set aside by another session; one that this session could not give back is the original still. */
const isReplaced = ({ name }: VmSummary, sessionId: string): boolean =>
  name.includes(ASIDE) && !name.endsWith(`${ASIDE}${sessionId}`);

function namesOf(name: string, sessionId: string): Pick<OriginalPlan, 'name' | 'asideName'> {
  const ending = `${ASIDE}${sessionId}`;
  if (name.endsWith(ending)) return { name: name.slice(0, -ending.length), asideName: name };
  return { name, asideName: `${name.slice(0, MAX_VM_NAME_CHARACTERS - ending.length)}${ending}` };
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

const datastoreOf = (file: string): string => /^\[(.+?)\] /.exec(file)?.[1] ?? '';
