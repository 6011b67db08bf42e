// Whether a VM can be taken to production by the session itself, where the target does not migrate it: what of the VM,
// its guest and the place there stands against it. Touches nothing.
import type {
  CrossingPlan,
  FinalizePlan,
  FinalizeRequest,
  FinalizeStepInput,
  ProductionPlace,
} from '../../../contract/index.ts';
import type { Inventory, Vm, Vsphere } from '../../../vsphere/index.ts';
import { changesSnapshot } from '../../changes/redirect-changes.ts';
import type { ActivityDeps } from '../../deps.ts';
import { foldersApart } from '../../preflight/disk-datastores.ts';
import type { Findings } from '../../preflight/findings.ts';
import { isObjectStore } from '../../preflight/production-datastore.ts';
import { folderNameOf } from '../../restore/production-look.ts';
import type { Step } from '../../step.ts';
import { isRedirected, standingOf } from '../../vm-standing.ts';
import type { Location } from '../location.ts';
import { copyNameOf } from './freeze-disks.ts';
import { lookAtRoom } from './room-look.ts';
import { savedStateBytes } from './saved-state.ts';

/** `web01`, `web01_1`, … as a target names the folders of VMs that have one name. */
const MAX_FOLDERS_TRIED = 10;

export interface CrossingLook extends Pick<FinalizePlan, 'guestAway'> {
  readonly crossing: CrossingPlan;
}

/** Undefined when there is an error among the findings. */
export async function lookAtCrossing(
  { gateway }: Pick<ActivityDeps, 'gateway'>,
  vsphere: Vsphere,
  inventory: Inventory,
  vm: Vm,
  input: FinalizeStepInput & { readonly mode: 'shortOutage' | 'cold' },
  where: Location,
  step: Step,
  found: Findings,
): Promise<CrossingLook | undefined> {
  const whileRunning = input.mode === 'shortOutage';
  const { placement } = input;
  const isApart = placement.changes !== undefined;
  // A vCenter may have a disk copied by a host that has not mounted the gateway's datastore, where only a base lies.
  const basesAlone = whileRunning || (vsphere.isVirtualCenter && isApart);
  const areApart = areChangesApart(vm, input);
  if (!areApart) lookAtLayers(vm, basesAlone, found);
  lookAtPlace(where, isApart, found);
  const guestAway = guestAwayFor(vm, input.request, whileRunning);
  if (basesAlone) lookAtChanges(inventory, where, wayToObjects(vsphere, isApart), found);
  if (whileRunning) {
    // Elsewhere than where the session left it, there is no .vmx to be read.
    const isSuspended = guestAway === 'suspend' && standingOf(vm, input).standing === 'ours';
    const stateBytes = isSuspended ? await savedStateBytes(vsphere, input, step) : undefined;
    await lookAtRoom(gateway, input, vm, stateBytes, found);
  }
  if (guestAway === 'shutDown') lookAtTools(vm, found);
  const name = where.rename?.to ?? vm.name;
  const folder = await freePlace(vsphere, vm, name, where, step, found);
  if (folder === undefined) return undefined;
  const from = {
    name: vm.name,
    folder: vm.folder ?? placement.folder,
    resourcePool: vm.resourcePool ?? placement.resourcePool,
    host: vm.host ?? placement.host.moref,
  };
  const place = {
    ...{ name, host: from.host },
    folder: where.folder ?? from.folder,
    resourcePool: where.resourcePool ?? from.resourcePool,
  };
  return {
    guestAway,
    crossing: {
      ...{ whileRunning, place, from, folder },
      ...(areApart && basesAlone ? { isFrozen: true } : {}),
    },
  };
}

/** Undefined where the VM is off, and stays so. */
function guestAwayFor(
  { powerState }: Vm,
  { guestAway }: FinalizeRequest,
  whileRunning: boolean,
): FinalizePlan['guestAway'] {
  if (powerState !== 'poweredOn') return undefined;
  return whileRunning ? (guestAway ?? 'suspend') : 'shutDown';
}

/** A guest that can't be asked to shut down from outside has to be shut down from inside. */
export function lookAtTools({ name, toolsRunningStatus }: Vm, found: Findings): void {
  if (toolsRunningStatus === 'guestToolsRunning') return;
  found.error(
    'ToolsNotRunning',
    `${name} runs without VMware Tools, or they are not up yet, so it can't be shut down from outside. Shut it down from ` +
      'inside, and finalize it then',
  );
}

/** Every disk goes on among the session's changes, by the one snapshot that there is. */
function areChangesApart({ disks, snapshots = [] }: Vm, input: FinalizeStepInput): boolean {
  const [snapshot, ...more] = snapshots;
  const isOurs = snapshot?.name === changesSnapshot(input) && snapshot.children.length === 0;
  return isOurs && more.length === 0 && disks.every((disk) => isRedirected(disk, input));
}

function lookAtLayers({ name, disks, snapshots = [] }: Vm, basesAlone: boolean, found: Findings): void {
  const isLayered = snapshots.length > 0 || disks.some(({ parents }) => parents.length > 0);
  if (!isLayered) return;
  if (basesAlone) {
    found.error(
      'HasSnapshots',
      `${name} has snapshots. Remove them, or consolidate its disks, and finalize it then`,
    );
  } else {
    found.warning(
      'HasSnapshots',
      `The snapshots of ${name} are not kept: its disks come over as they are now`,
    );
  }
}

function lookAtPlace(where: Location, isApart: boolean, found: Findings): void {
  const wayOut = isApart ? 'Leave that out' : 'Leave that out, or migrate it live or cold through a vCenter';
  if (where.host === undefined) return;
  found.error('NotSupported', `A VM stays on its host where the target does not migrate it. ${wayOut}`);
}

/** Where a VM's disks of changes can't stand on its copies, this is how it comes to an object store all the same. */
function wayToObjects({ isVirtualCenter }: Pick<Vsphere, 'isVirtualCenter'>, isApart: boolean): string {
  if (!isApart) return 'Take it there cold, or live through a vCenter';
  return isVirtualCenter
    ? 'Take it to another datastore and migrate it from there, or start it with --changes gateway'
    : 'Take it there cold';
}

/** Disks of changes stand on the copies for a while, and are merged into them. */
function lookAtChanges(
  { datastores }: Inventory,
  { datastore, disks = [] }: Location,
  wayOut: string,
  found: Findings,
): void {
  const taking = new Set([datastore, ...disks.map((disk) => disk.datastore)].map(({ moref }) => moref));
  for (const { moref, name, type } of datastores) {
    if (!taking.has(moref) || !isObjectStore({ type })) continue;
    found.error(
      'NotSupported',
      `Datastore ${name} is of type ${type}, where disks of changes are of another kind: those that are not copied ` +
        `with its disks can not stand on a disk there. ${wayOut}`,
    );
  }
}

/** A free folder on each datastore that takes files of the VM. Undefined when there is an error among the findings. */
async function freePlace(
  vsphere: Vsphere,
  { disks }: Vm,
  name: string,
  where: Location,
  step: Step,
  found: Findings,
): Promise<ProductionPlace | undefined> {
  const { datastore, disks: apart = [], overwrite = [] } = where;
  const folderOn = (on: string): Promise<string | undefined> =>
    freeFolder(vsphere, name, { datastore: on, overwrite }, step, found);
  const fileOf = (node: string): string => {
    const disk = disks.find((each) => each.node === node);
    return disk === undefined ? '' : copyNameOf(disk);
  };
  const folder = await folderOn(datastore.name);
  const others = await foldersApart(apart, fileOf, folderOn);
  if (folder === undefined || others === undefined) return undefined;
  return { datastore: datastore.name, folder, ...(others.length === 0 ? {} : { apart: others }) };
}

/** What somebody said may be overwritten is as good as free. Undefined when there is none. */
async function freeFolder(
  vsphere: Vsphere,
  name: string,
  { datastore, overwrite }: { readonly datastore: string; readonly overwrite: readonly string[] },
  { signal }: Step,
  found: Findings,
): Promise<string | undefined> {
  const first = folderNameOf(name);
  for (let index = 0; index < MAX_FOLDERS_TRIED; index++) {
    const folder = index === 0 ? first : `${first}_${index}`;
    const path = `[${datastore}] ${folder}`;
    if (overwrite.includes(path)) return folder;
    const files = await vsphere.listFolder(path, { signal });
    if ((files ?? []).length === 0) return folder;
  }
  found.error(
    'NameTaken',
    `Datastore ${datastore} has folders ${first} to ${first}_${MAX_FOLDERS_TRIED - 1}. Give another name with --name`,
  );
  return undefined;
}
