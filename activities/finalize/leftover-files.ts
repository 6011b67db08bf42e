// Files that lie where a VM goes, under its name. A target that finds a folder of that name takes another one
// (`web01_1`), so nothing is ever written over; but files that nobody uses are more likely a VM that somebody lost
// sight of than nothing, and whoever wants them gone says so.
import type { FinalizeRequest } from '../../contract/index.ts';
import { type VmSummary, type Vsphere, VsphereError } from '../../vsphere/index.ts';
import type { Findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';
import type { Destination } from './destination.ts';
import type { FoundOriginal } from './original.ts';

/** What shows that a host has a VM's files open, whoever's inventory it is in. */
const IN_USE = /\.(?:lck|vswp)$|\/\.lck-/;
const NAMED_FILES = 5;

export interface Arrival {
  /** With templates. */
  readonly vms: readonly VmSummary[];
  readonly name: string;
  readonly destination: Pick<Destination, 'datastore' | 'disks' | 'place'>;
  readonly original: FoundOriginal | undefined;
  readonly request: FinalizeRequest;
}

/** Folders that are to be removed, as was asked for: `[datastore] name`. */
export async function lookAtFolders(
  vsphere: Pick<Vsphere, 'listFolder'>,
  { vms, name, destination, original, request }: Arrival,
  step: Pick<Step, 'signal'>,
  found: Findings,
): Promise<readonly string[]> {
  const { datastore, disks = [], place } = destination;
  const datacenter = place.host.datacenter.moref;
  const datastores = new Set([datastore.name, ...disks.map(({ datastore: { name: apart } }) => apart)]);
  const remove: string[] = [];
  for (const each of datastores) {
    const folder = folderOf(each, name);
    if (folder === undefined) continue;
    const users = usersOf(folder, vms).filter(({ moref }) => moref !== original?.plan.moref);
    if (users.length > 0) {
      const who = users.map((vm) => `${vm.name} (${vm.moref})`).join(', ');
      found.warning(
        'FolderTaken',
        `${folder} is the folder of ${who}: the target will choose another name for it`,
      );
      continue;
    }
    if (original !== undefined && usersOf(folder, vms).length > 0) continue;
    const files = await filesIn(vsphere, folder, { ...step, datacenter }, found);
    if (lookAtFiles(folder, files, request, found)) remove.push(folder);
  }
  return remove;
}

/** Whether the folder is to be removed. */
function lookAtFiles(
  folder: string,
  files: readonly string[],
  { overwrite }: FinalizeRequest,
  found: Findings,
): boolean {
  if (files.length === 0) return false;
  const open = files.find((file) => IN_USE.test(file));
  if (open !== undefined) {
    found.error(
      'FilesInUse',
      `${open} shows that a host has the files in ${folder} open, for a VM that this target does not know. ` +
        'Shut that VM down, or give another name with --name',
    );
    return false;
  }
  if (overwrite === true) return true;
  const more = files.length > NAMED_FILES ? ` and ${files.length - NAMED_FILES} more` : '';
  found.error(
    'FilesExist',
    `There are files in ${folder} that no VM uses: ${files.slice(0, NAMED_FILES).join(', ')}${more}. Have them ` +
      'removed with --overwrite, or give another name with --name',
  );
  return false;
}

async function filesIn(
  vsphere: Pick<Vsphere, 'listFolder'>,
  folder: string,
  { signal, datacenter }: Pick<Step, 'signal'> & { readonly datacenter: string },
  found: Findings,
): Promise<readonly string[]> {
  try {
    const listed = await vsphere.listFolder(folder, { signal, datacenter });
    return (listed ?? []).filter(({ isFolder }) => !isFolder).map(({ path }) => path);
  } catch (error) {
    if (!(error instanceof VsphereError) || error.code !== 'NoPermission') throw error;
    // Nothing is written over either way.
    found.warning(
      'FolderUnknown',
      `The account may not look into ${folder}: whether files lie there is not known`,
    );
    return [];
  }
}

/** VMs and templates with a file in the folder. */
export function usersOf(folder: string, vms: readonly VmSummary[]): readonly VmSummary[] {
  const isInside = (file: string): boolean => file.startsWith(`${folder}/`);
  return vms.filter(({ vmPathName, diskFiles }) => isInside(vmPathName) || diskFiles.some(isInside));
}

/** The folder that a target gives a VM of that name; undefined for a name that is none as it stands. */
function folderOf(datastore: string, name: string): string | undefined {
  return /[/\\%]/.test(name) || /^\.*$/.test(name.trim()) ? undefined : `[${datastore}] ${name}`;
}
