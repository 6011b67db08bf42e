// The place in production, as a restore's preflight sees it: a datastore that the host has, that can take the VM,
// and a free folder at its top. What lies there already is named and never overwritten.
import { formatBytes, type ProductionFolder } from '../../contract/index.ts';
import type { Datastore, DatastoreFile, Host, Inventory, Vsphere } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';

/** Of the provisioned size: room for the VM's swap file and logs. */
const SPACE_FACTOR = 1.1;
const MAX_FILES_NAMED = 5;

export interface Wanted {
  /** Name or moref. */
  readonly datastore: string;
  readonly neededFor: { readonly vmName: string; readonly provisionedBytes: number };
  /** Name of the gateway's datastore, and the address behind it. */
  readonly gateway: { readonly datastore: string; readonly remoteHost: string | undefined };
}

/** Undefined when there is an error among the findings. */
export async function lookAtProduction(
  vsphere: Vsphere,
  inventory: Inventory,
  host: Host,
  wanted: Wanted,
  step: Step,
  found: Findings,
): Promise<ProductionFolder | undefined> {
  const datastore = chooseDatastore(inventory, host, wanted.datastore, found);
  if (datastore === undefined || !isUsable(datastore, wanted, found)) return undefined;
  const place = { datastore: datastore.name, folder: folderNameOf(wanted.neededFor.vmName) };
  await lookAtFolder(vsphere, place, step, found);
  return place;
}

function chooseDatastore(
  { datastores }: Inventory,
  host: Host,
  wanted: string,
  found: Findings,
): Datastore | undefined {
  const named = datastores.filter(({ name, moref }) => name === wanted || moref === wanted);
  const here = named.find(({ hosts }) => hosts.includes(host.moref));
  if (here !== undefined) return here;
  const known = datastores.filter(({ hosts }) => hosts.includes(host.moref)).map(({ name }) => name);
  const list = known.length === 0 ? 'none' : known.join(', ');
  found.error(
    'NotFound',
    named.length === 0
      ? `The target has no datastore ${wanted}; host ${host.name} has ${list}`
      : `Host ${host.name} does not have datastore ${wanted} mounted; it has ${list}`,
  );
  return undefined;
}

/** False where the datastore is no place for a VM at all; what can be settled there is a finding beside others. */
function isUsable(
  { name, accessible, inMaintenanceMode, freeBytes, nas }: Datastore,
  { gateway, neededFor }: Wanted,
  found: Findings,
): boolean {
  const isServed = gateway.remoteHost !== undefined && nas?.remoteHost === gateway.remoteHost;
  if (name === gateway.datastore || isServed) {
    found.error('DatastoreConflict', `Datastore ${name} is the gateway's own: name one of production`);
    return false;
  }
  if (!accessible || inMaintenanceMode === true) {
    const why = accessible ? 'in maintenance mode' : 'not accessible';
    found.error('DatastoreUnusable', `Datastore ${name} is ${why}. Settle that, or name another one`);
  }
  const neededBytes = Math.ceil(neededFor.provisionedBytes * SPACE_FACTOR);
  if (freeBytes < neededBytes) {
    found.error(
      'StorageFull',
      `Datastore ${name} has ${formatBytes(freeBytes)} free, and ${formatBytes(neededBytes)} are needed (${SPACE_FACTOR} × the ` +
        'provisioned size). Make room, or name another one',
    );
  }
  return accessible;
}

async function lookAtFolder(
  vsphere: Vsphere,
  { datastore, folder }: ProductionFolder,
  { signal }: Step,
  found: Findings,
): Promise<void> {
  const path = `[${datastore}] ${folder}`;
  const files = (await vsphere.listFolder(path, { signal })) ?? [];
  if (files.length === 0) return;
  const named = files.slice(0, MAX_FILES_NAMED).map(nameInFolder);
  const more = files.length > MAX_FILES_NAMED ? ` and ${files.length - MAX_FILES_NAMED} more` : '';
  found.error(
    'NameTaken',
    `Folder ${path} is there already, with ${named.join(', ')}${more}. Name the VM anew with --name, name another ` +
      'datastore, or move them away',
  );
}

/** Of a file in a folder at the top of a datastore, which a vSAN calls by its UUID. */
export const nameInFolder = ({ path }: DatastoreFile): string => path.slice(path.indexOf('/') + 1);

/** The folder's name for a VM's: what a path can't hold is an underscore, and none leads anywhere else. */
export function folderNameOf(vmName: string): string {
  const plain = vmName.replaceAll(/[\p{Cc}/\\:*?"<>|[\]%]/gu, '_').trim();
  return /^\.*$/.test(plain) ? `_${plain}` : plain;
}
