// Where the file of a restored disk goes: into the VM's own folder, or, on another datastore, into one that is made for
// it and named after the VM. Nobody else's folder is entered.
import type { RestoredDiskFile } from '../../contract/index.ts';
import type { Vm, Vsphere } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import { folderNameOf } from '../restore/production-look.ts';
import type { Step } from '../step.ts';
import { fileNameFor, isPartOf, pathOf } from './disk-file.ts';

/** Folders that are tried: `web01`, `web01_1`, … */
const MAX_FOLDERS = 10;

export interface WantedFile {
  /** Name of the datastore. */
  readonly datastore: string;
  readonly diskName: string;
  readonly sessionId: string;
}

/** Undefined when there is an error among the findings. */
export async function choosePlace(
  vsphere: Vsphere,
  vm: Vm,
  { datastore, diskName, sessionId }: WantedFile,
  { signal }: Pick<Step, 'signal'>,
  found: Findings,
): Promise<RestoredDiskFile | undefined> {
  const name = fileNameFor(diskName, sessionId);
  const own = ownFolder(vm, datastore);
  if (own === '') {
    found.error(
      'NotSupported',
      `VM ${vm.name} has its files at the top of datastore ${datastore}, in no folder. Name another one with --datastore`,
    );
    return undefined;
  }
  if (own === undefined) return newFolder(vsphere, vm, { datastore, name }, { signal }, found);
  const file = { datastore, folder: own, name, isNewFolder: false };
  const files = (await vsphere.listFolder(`[${datastore}] ${own}`, { signal })) ?? [];
  const taken = files.find(({ path }) => isPartOf(file, path));
  if (taken === undefined) return file;
  found.error(
    'NameTaken',
    `There is a file ${taken.path} already (for ${pathOf(file)}). Give another --session`,
  );
  return undefined;
}

/** The one of its configuration, or else of a disk. */
function ownFolder({ vmPathName, disks }: Vm, datastore: string): string | undefined {
  const start = `[${datastore}] `;
  const file = [vmPathName, ...disks.map(({ fileName }) => fileName)].find((each) => each.startsWith(start));
  return file?.slice(start.length, Math.max(start.length, file.lastIndexOf('/')));
}

async function newFolder(
  vsphere: Vsphere,
  vm: Vm,
  { datastore, name }: Pick<RestoredDiskFile, 'datastore' | 'name'>,
  { signal }: Pick<Step, 'signal'>,
  found: Findings,
): Promise<RestoredDiskFile | undefined> {
  const plain = folderNameOf(vm.name);
  for (let number = 0; number < MAX_FOLDERS; number += 1) {
    const folder = number === 0 ? plain : `${plain}_${number}`;
    if ((await vsphere.listFolder(`[${datastore}] ${folder}`, { signal })) !== undefined) continue;
    return { datastore, folder, name, isNewFolder: true };
  }
  found.error(
    'NameTaken',
    `Datastore ${datastore} has folders ${plain} to ${plain}_${MAX_FOLDERS - 1} already, and none is VM ${vm.name}'s. ` +
      'Name another datastore',
  );
  return undefined;
}
