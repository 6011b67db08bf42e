// Disks that go to other datastores than the rest of their VM: which datastore each goes to, and whether every one that
// takes any has room for what is to come there. Pure.
import type { DiskPlace, DiskPlan, FolderApart } from '../../contract/index.ts';
import type { Datastore, Host, Inventory } from '../../vsphere/index.ts';
import type { Findings } from './findings.ts';
import { chooseDatastore, type GatewayDatastore, lookAtDatastore } from './production-datastore.ts';

export interface MovedDisk {
  /** `scsi0:0` */
  readonly node: string | undefined;
  /** The device's at the target; of no meaning before the VM is registered. */
  readonly key: number;
  readonly capacityBytes: number;
}

/** What of a VM is to come to production. */
export interface MovedDisks {
  readonly disks: readonly MovedDisk[];
  /** Of its disks. */
  readonly provisionedBytes: number;
  readonly gateway: GatewayDatastore;
}

/** Undefined when there is an error among the findings. */
export function chooseForDisks(
  inventory: Inventory,
  wanted: readonly DiskPlace[],
  { disks }: Pick<MovedDisks, 'disks'>,
  host: Host,
  found: Findings,
): readonly DiskPlan[] | undefined {
  const nodes = disks.flatMap(({ node }) => node ?? []);
  const chosen = wanted.map(({ node, datastore: name }): DiskPlan | undefined => {
    const disk = disks.find((each) => each.node === node);
    if (disk === undefined) {
      found.error('NotFound', `The VM has no disk ${node}; it has ${nodes.join(', ') || 'none'}`);
    }
    const datastore = chooseDatastore(inventory, name, host, found);
    if (disk === undefined || datastore === undefined) return undefined;
    return { node, key: disk.key, datastore: { moref: datastore.moref, name: datastore.name } };
  });
  const named = wanted.map(({ node }) => node);
  const twice = [...new Set(named.filter((node, index) => named.indexOf(node) !== index))];
  if (twice.length > 0) found.error('InvalidInput', `--disk names ${twice.join(', ')} twice: once is enough`);
  const plans = chosen.filter((each) => each !== undefined);
  return plans.length === chosen.length && twice.length === 0 ? plans : undefined;
}

/** Those that do not go to the VM's own datastore. */
export const disksApart = (plans: readonly DiskPlan[], home: Pick<Datastore, 'moref'>): readonly DiskPlan[] =>
  plans.filter(({ datastore }) => datastore.moref !== home.moref);

/**
 * Each datastore with what is to come there.
 * @param apart are disks that do not go to `home`.
 * Answers false where one can hold no VM at all.
 */
export function lookAtSpace(
  home: Datastore,
  apart: readonly DiskPlan[],
  { disks, provisionedBytes, gateway }: MovedDisks,
  { datastores }: Inventory,
  found: Findings,
): boolean {
  const bytesOf = (plans: readonly DiskPlan[]): number =>
    disks
      .filter(({ node }) => plans.some((plan) => plan.node === node))
      .reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
  let isUsable = lookAtDatastore(home, provisionedBytes - bytesOf(apart), gateway, found);
  for (const datastore of datastores) {
    const here = apart.filter((plan) => plan.datastore.moref === datastore.moref);
    if (here.length > 0 && !lookAtDatastore(datastore, bytesOf(here), gateway, found)) isUsable = false;
  }
  return isUsable;
}

/**
 * One folder on each datastore that takes disks of a VM.
 * @param nameOf says what a disk's file is called, by its node.
 * @param folderOn says what the folder on a datastore is to be called; undefined where none is free.
 * Undefined where one is missing.
 */
export async function foldersApart(
  apart: readonly DiskPlan[],
  nameOf: (node: string) => string,
  folderOn: (datastore: string) => Promise<string | undefined>,
): Promise<readonly FolderApart[] | undefined> {
  const folders: FolderApart[] = [];
  for (const datastore of new Set(apart.map((plan) => plan.datastore.name))) {
    const folder = await folderOn(datastore);
    if (folder === undefined) return undefined;
    const disks = apart.filter((plan) => plan.datastore.name === datastore).map(({ node }) => nameOf(node));
    folders.push({ datastore, folder, disks });
  }
  return folders;
}
