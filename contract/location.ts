// Where a VM comes to stand, disk by disk and card by card, and whose place it takes. Devices are called as a .vmx
// calls them (`scsi0:0`, `ethernet0`), networks and datastores as the target shows them. JSON-safe throughout.
import { z } from 'zod';

/** As many as vSphere lets a VM have, and more than any has. */
const MAX_DISKS = 256;
const MAX_CARDS = 10;

const diskNodeSchema = z.string().regex(/^(?:scsi|sata|ide|nvme)\d{1,2}:\d{1,3}$/, 'a disk as scsi0:0');
const cardNodeSchema = z.string().regex(/^ethernet\d{1,2}$/, 'a network card as ethernet0');

export const diskPlaceSchema = z.object({
  node: diskNodeSchema,
  datastore: z.string().min(1).max(80),
});
export type DiskPlace = z.infer<typeof diskPlaceSchema>;
export const diskPlacesSchema = z.array(diskPlaceSchema).max(MAX_DISKS);

export const cardPlaceSchema = z.object({
  node: cardNodeSchema,
  /** Unplugged where there is none. */
  network: z.string().min(1).max(80).optional(),
});
export type CardPlace = z.infer<typeof cardPlaceSchema>;
export const cardPlacesSchema = z.array(cardPlaceSchema).max(MAX_CARDS);

/** `keep`: as in the backup. `renew`: a new one, so that the VM can run beside its original. */
export const identitySchema = z.enum(['keep', 'renew']);
export type Identity = z.infer<typeof identitySchema>;

/** What a backup knows its VM by; UUIDs as the API writes them, undefined where the .vmx has none. */
export interface OriginMark {
  readonly name: string;
  readonly uuid: string | undefined;
  readonly instanceUuid: string | undefined;
}

/** A card of a VM and the network that it is to be on; found by preflight. */
export interface CardPlan {
  readonly node: string;
  /** Unplugged where there is none. */
  readonly network: { readonly moref: string; readonly name: string } | undefined;
}

/** A folder at the top of a production datastore, made for one VM. */
export interface ProductionFolder {
  /** Name of the datastore. */
  readonly datastore: string;
  readonly folder: string;
}

/** Where a VM's files lie in production: its folder, with the .vmx, and one on each other datastore with disks of it. */
export interface ProductionPlace extends ProductionFolder {
  /** Absent where every disk lies beside the .vmx. */
  readonly apart?: readonly FolderApart[] | undefined;
}

export interface FolderApart extends ProductionFolder {
  /** Plain names of the disks there: `web01_1.vmdk`. */
  readonly disks: readonly string[];
}

export interface DiskPlan {
  readonly node: string;
  /** The device's key at the target. */
  readonly key: number;
  readonly datastore: { readonly moref: string; readonly name: string };
}

/** The VM whose place the session's VM takes: set aside under another name, and given back when that fails. */
export interface OriginalPlan {
  readonly moref: string;
  readonly name: string;
  /** Its name for as long as it is set aside. */
  readonly asideName: string;
  /** Of its BIOS: it is the same machine for as long as this is. */
  readonly uuid: string;
  /** It is powered on again when it is given back. */
  readonly wasPoweredOn: boolean;
  /** It is deleted once the new one is proven. */
  readonly remove: boolean;
  /** How it was recognised, in words. */
  readonly recognised: string;
}

/** `datastore vmfs01`, or `datastore vmfs01, scsi0:1 to fast01`. */
export function placeWords({
  datastore,
  disks = [],
}: {
  readonly datastore: { readonly name: string };
  readonly disks?: readonly Pick<DiskPlan, 'node' | 'datastore'>[] | undefined;
}): string {
  const apart = disks.map(({ node, datastore: { name } }) => `${node} to ${name}`);
  return [`datastore ${datastore.name}`, ...apart].join(', ');
}

/** `[vmfs01] web01`, or `[vmfs01] web01, web01_1.vmdk in [fast01] web01`. */
export function folderWords({ apart = [], ...home }: ProductionPlace): string {
  const wordsOf = ({ datastore, folder }: ProductionFolder): string => `[${datastore}] ${folder}`;
  return [wordsOf(home), ...apart.map((each) => `${each.disks.join(' and ')} in ${wordsOf(each)}`)].join(
    ', ',
  );
}
