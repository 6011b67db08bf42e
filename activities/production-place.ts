// The folders of one VM in production: its own, with the .vmx, and one more on each other datastore that takes disks of
// it. Each is claimed as owned-folder.ts says. The VM's own folder comes first and goes last: as long as it is not there,
// nor are the others.
import { posix } from 'node:path';
import type { ProductionFolder, ProductionPlace } from '../contract/index.ts';
import type { Vsphere } from '../vsphere/index.ts';
import { claimFolder, type OwnedFolder, releaseFolder, removeFolder } from './owned-folder.ts';
import type { Step } from './step.ts';

export type PlaceOwner = Omit<OwnedFolder, 'path'>;
type Waiting = Pick<Step, 'signal'>;

/** `[datastore] folder`, without a slash at its end. */
export const folderPath = ({ datastore, folder }: ProductionFolder): string => `[${datastore}] ${folder}`;

/** Where a disk of that plain name lies: `[datastore] folder/name.vmdk`. */
export function diskPath(place: ProductionPlace, name: string): string {
  const apart = place.apart?.find(({ disks }) => disks.includes(name));
  return `${folderPath(apart ?? place)}/${name}`;
}

/** A disk by its path as the VM's .vmx has it: by its plain name beside the .vmx, else so that it is found from anywhere. */
export function diskInVmx(place: ProductionPlace, disk: string): string {
  return disk.startsWith(`${folderPath(place)}/`) ? posix.basename(disk) : absolute(disk);
}

/** `[datastore] folder/file` as hosts read it from anywhere. */
export function absolute(file: string): string {
  return file.replace(/^\[(.+?)\] /, '/vmfs/volumes/$1/');
}

/** Answers where the folders are for good. Throws NameTaken where one is somebody else's; those before it stay claimed. */
export async function claimPlace(
  vsphere: Vsphere,
  { apart = [], ...home }: ProductionPlace,
  owner: PlaceOwner,
  step: Waiting,
): Promise<ProductionPlace> {
  const claim = async <F extends ProductionFolder>(folder: F): Promise<F> => {
    const made = await claimFolder(vsphere, owned(folder, owner), step);
    return { ...folder, folder: made.slice(made.indexOf('] ') + 2) };
  };
  const lasting = await claim(home);
  if (apart.length === 0) return lasting;
  const others = [];
  for (const folder of apart) others.push(await claim(folder));
  return { ...lasting, apart: others };
}

/** They are production's from here on, with what is in them. */
export async function releasePlace(
  vsphere: Vsphere,
  place: ProductionPlace,
  owner: PlaceOwner,
  step: Waiting,
): Promise<void> {
  for (const folder of lastFirst(place)) await releaseFolder(vsphere, owned(folder, owner), step);
}

/** With all that is in them, as far as they are the owner's. Throws NotOurs while a VM stands on one. */
export async function removePlace(
  vsphere: Vsphere,
  place: ProductionPlace,
  owner: PlaceOwner,
  step: Waiting,
): Promise<void> {
  for (const folder of lastFirst(place)) await removeFolder(vsphere, owned(folder, owner), step);
}

const owned = (folder: ProductionFolder, owner: PlaceOwner): OwnedFolder => ({
  ...owner,
  path: folderPath(folder),
});

const lastFirst = ({ apart = [], ...home }: ProductionPlace): readonly ProductionFolder[] => [
  ...apart.toReversed(),
  home,
];
