// The place in production, as a restore's preflight sees it: a datastore that the host has, that can take the VM,
// and a free folder at its top. What lies there already is named and never overwritten.
import type { ProductionFolder } from '../../contract/index.ts';
import type { DatastoreFile, Host, Inventory, Vsphere } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import {
  chooseDatastore,
  type GatewayDatastore,
  lookAtDatastore,
} from '../preflight/production-datastore.ts';
import type { Step } from '../step.ts';

const MAX_FILES_NAMED = 5;

export interface Wanted {
  /** Name or moref. */
  readonly datastore: string;
  readonly neededFor: { readonly vmName: string; readonly provisionedBytes: number };
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
): Promise<ProductionFolder | undefined> {
  const datastore = chooseDatastore(inventory, wanted.datastore, host, found);
  const { vmName, provisionedBytes } = wanted.neededFor;
  if (datastore === undefined) return undefined;
  if (!lookAtDatastore(datastore, provisionedBytes, wanted.gateway, found)) return undefined;
  const place = { datastore: datastore.name, folder: folderNameOf(vmName) };
  await lookAtFolder(vsphere, place, step, found);
  return place;
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
const nameInFolder = ({ path }: DatastoreFile): string => path.slice(path.indexOf('/') + 1);

/** The folder's name for a VM's: what a path can't hold is an underscore, and none leads anywhere else. */
export function folderNameOf(vmName: string): string {
  const plain = vmName.replaceAll(/[\p{Cc}/\\:*?"<>|[\]%]/gu, '_').trim();
  return /^\.*$/.test(plain) ? `_${plain}` : plain;
}
