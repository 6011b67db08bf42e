// The place in production, as a restore's preflight sees it: datastores that the host has, that can take the VM and its
// disks, and a free folder at the top of each. What lies there already is named and never overwritten.
import type { DiskPlace, ProductionFolder, ProductionPlace } from '../../contract/index.ts';
import type { DatastoreFile, Host, Inventory, Vsphere } from '../../vsphere/index.ts';
import type { BackupLook } from '../preflight/backup-look.ts';
import { chooseForDisks, disksApart, foldersApart, lookAtSpace } from '../preflight/disk-datastores.ts';
import type { Findings } from '../preflight/findings.ts';
import { chooseDatastore, type GatewayDatastore } from '../preflight/production-datastore.ts';
import { folderPath } from '../production-place.ts';
import type { Step } from '../step.ts';

const MAX_FILES_NAMED = 5;

export interface Wanted {
  /** Name or moref. */
  readonly datastore: string;
  /** Those that go to another one. */
  readonly disks?: readonly DiskPlace[] | undefined;
  readonly neededFor: { readonly vmName: string } & Pick<BackupLook, 'provisionedBytes' | 'nodes'>;
  readonly gateway: GatewayDatastore;
}

/** Undefined when there is an error among the findings. */
export async function lookAtProduction(
  vsphere: Vsphere,
  inventory: Inventory,
  host: Host,
  wanted: Wanted,
  step: Step,
  found: Findings,
): Promise<ProductionPlace | undefined> {
  const { vmName, provisionedBytes, nodes } = wanted.neededFor;
  const disks = nodes.map(({ node, sizeBytes }) => ({ node, key: 0, capacityBytes: sizeBytes }));
  const datastore = chooseDatastore(inventory, wanted.datastore, host, found);
  const plans = chooseForDisks(inventory, wanted.disks ?? [], { disks }, host, found);
  if (datastore === undefined) return undefined;
  const apart = disksApart(plans ?? [], datastore);
  const moved = { disks, provisionedBytes, gateway: wanted.gateway };
  if (!lookAtSpace(datastore, apart, moved, inventory, found)) return undefined;
  const folderOn = async (on: string): Promise<string> => {
    const folder = folderNameOf(vmName);
    await lookAtFolder(vsphere, { datastore: on, folder }, step, found);
    return folder;
  };
  const home = { datastore: datastore.name, folder: await folderOn(datastore.name) };
  const fileOf = (at: string): string => nodes.find(({ node }) => node === at)?.file ?? '';
  const folders = await foldersApart(apart, fileOf, folderOn);
  return plans === undefined || folders === undefined || folders.length === 0
    ? home
    : { ...home, apart: folders };
}

async function lookAtFolder(
  vsphere: Vsphere,
  place: ProductionFolder,
  { signal }: Step,
  found: Findings,
): Promise<void> {
  const path = folderPath(place);
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
const nameInFolder = ({ path }: DatastoreFile): string => path.slice(path.indexOf('/') + 1);

/**
 * The folder's name for a VM's: what a path can't hold is an underscore, and none leads anywhere else. Two dots in a row
 * lead nowhere either, but servers of files refuse them wherever they stand.
 */
export function folderNameOf(vmName: string): string {
  const plain = vmName.replaceAll(/[\p{Cc}/\\:*?"<>|[\]%]|\.(?=\.)|(?<=\.)\./gu, '_').trim();
  return /^\.*$/.test(plain) ? `_${plain}` : plain;
}
