// Where the file of a restored disk goes: into the VM's own folder, or, on another datastore, into one that is made for
// it and named after the VM and the session, so that nobody else makes, enters or removes it.
import type { RestoredDiskFile } from '../../contract/index.ts';
import type { Vm, Vsphere } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import { folderNameOf } from '../restore/production-look.ts';
import type { Step } from '../step.ts';
import { fileNameFor, partsOf, pathOf } from './disk-file.ts';

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
  if (own === undefined) {
    const folder = `${folderNameOf(vm.name)}-${sessionId}`;
    return newFolder(vsphere, { datastore, folder, name, isNewFolder: true }, { signal }, found);
  }
  const file = { datastore, folder: own, name, isNewFolder: false };
  const files = (await vsphere.listFolder(`[${datastore}] ${own}`, { signal })) ?? [];
  const taken = files.find(({ path }) => partsOf(file).includes(path));
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
  file: RestoredDiskFile,
  { signal }: Pick<Step, 'signal'>,
  found: Findings,
): Promise<RestoredDiskFile | undefined> {
  const folder = `[${file.datastore}] ${file.folder}`;
  if ((await vsphere.listFolder(folder, { signal })) === undefined) return file;
  found.error('NameTaken', `There is a folder ${folder} already. Give another --session`);
  return undefined;
}
