// Files that lie where a VM goes, under its name. A target that finds a folder of that name takes another one
// (`web01_1`), so nothing is ever written over; but files that nobody uses are more likely a VM that somebody lost
// sight of than nothing, and whoever wants them gone says so.
import type { FinalizeRequest } from '../../contract/index.ts';
import {
  type DatastoreFile,
  type FileOptions,
  type VmSummary,
  type Vsphere,
  VsphereError,
} from '../../vsphere/index.ts';
import { othersClaims } from '../owned-folder.ts';
import type { Findings } from '../preflight/findings.ts';
import type { Step } from '../step.ts';
import type { Destination } from './destination.ts';
import type { FoundOriginal } from './original.ts';

/** What shows that a host has a VM's files open, whoever's inventory it is in. */
const IN_USE = /\.(?:lck|vswp)$|\/\.lck-/;
/** What a VM has in its folder: configuration, disks, state, logs, dumps and pictures of its screen. */
const OF_A_VM =
  /(?:\.(?:vmxf?~?|vmtx|vmdk|nvram|vmsd|vmsn|vmss|vmem|vswp|log|scoreboard|hlog|lck|png)|\/\.[^/]*|-zdump\.\d+|vmmcores\.gz)$/i;
const NAMED_FILES = 5;

export interface Arrival {
  /** With templates. */
  readonly vms: readonly VmSummary[];
  readonly name: string;
  readonly destination: Pick<Destination, 'datastore' | 'disks' | 'place'>;
  readonly original: FoundOriginal | undefined;
  readonly request: FinalizeRequest;
  /** The one that is finalized. */
  readonly sessionId: string;
}

/** Folders that are to be removed, as was asked for: `[datastore] name`. */
export async function lookAtFolders(
  vsphere: Pick<Vsphere, 'listFolder' | 'lastingPath'>,
  arrival: Arrival,
  { signal }: Pick<Step, 'signal'>,
  found: Findings,
): Promise<readonly string[]> {
  const { datastore, disks = [], place } = arrival.destination;
  const options = { signal, datacenter: place.host.datacenter.moref };
  const datastores = new Set([datastore.name, ...disks.map(({ datastore: { name: apart } }) => apart)]);
  const remove: string[] = [];
  for (const each of datastores) {
    const folder = folderOf(each, arrival.name);
    if (folder === undefined) continue;
    try {
      if (await lookAtFolder(vsphere, folder, arrival, options, found)) remove.push(folder);
    } catch (error) {
      if (!(error instanceof VsphereError) || error.code !== 'NoPermission') throw error;
      // Nothing is written over either way.
      found.warning(
        'FolderUnknown',
        `The account may not look into ${folder}: whether files lie there is not known`,
      );
    }
  }
  return remove;
}

/** Whether the folder is to be removed. */
async function lookAtFolder(
  vsphere: Pick<Vsphere, 'listFolder' | 'lastingPath'>,
  folder: string,
  arrival: Arrival,
  options: FileOptions,
  found: Findings,
): Promise<boolean> {
  const { vms, original } = arrival;
  const all = usersOf(await namesOf(vsphere, folder, options), vms);
  const users = all.filter(({ moref }) => moref !== original?.plan.moref);
  if (users.length > 0) {
    const who = users.map((vm) => `${vm.name} (${vm.moref})`).join(', ');
    found.warning(
      'FolderTaken',
      `${folder} is the folder of ${who}: the target will choose another name for it`,
    );
  }
  if (all.length > 0) return false;
  const listed = (await vsphere.listFolder(folder, options)) ?? [];
  return lookAtFiles(folder, listed, arrival, found);
}

function lookAtFiles(
  folder: string,
  listed: readonly DatastoreFile[],
  { request: { overwrite }, sessionId }: Pick<Arrival, 'request' | 'sessionId'>,
  found: Findings,
): boolean {
  const files = listed.filter(({ isFolder }) => !isFolder).map(({ path }) => path);
  if (files.length === 0) return false;
  const inUse = whyInUse(folder, files, sessionId);
  if (inUse !== undefined) {
    found.error('FilesInUse', inUse);
    return false;
  }
  if (overwrite === true) {
    const foreign = whyForeign(folder, listed);
    if (foreign !== undefined) found.error('FilesExist', foreign);
    return foreign === undefined;
  }
  const more = files.length > NAMED_FILES ? ` and ${files.length - NAMED_FILES} more` : '';
  found.error(
    'FilesExist',
    `There are files in ${folder} that no VM uses: ${files.slice(0, NAMED_FILES).join(', ')}${more}. Have them ` +
      'removed with --overwrite, or give another name with --name',
  );
  return false;
}

/** In words, why files that no VM of the target has are in use all the same; undefined where nothing shows that. */
export function whyInUse(folder: string, files: readonly string[], sessionId: string): string | undefined {
  const open = files.find((file) => IN_USE.test(file));
  if (open !== undefined) {
    return (
      `${open} shows that a host has the files in ${folder} open, for a VM that this target does not know. ` +
      'Shut that VM down, or give another name with --name'
    );
  }
  const [claim] = othersClaims(files, sessionId);
  if (claim === undefined) return undefined;
  return (
    `${claim} shows that another session is bringing its VM to ${folder}. Wait for its end (rundirect sessions), or give ` +
    'another name with --name. Where that session is over, and only its file is left, delete that file'
  );
}

/** In words, why a folder is not removed that holds more than a VM's files; undefined where it does not. */
export function whyForeign(folder: string, listed: readonly DatastoreFile[]): string | undefined {
  const foreign = listed.find(({ path, isFolder }) => isFolder || !OF_A_VM.test(path));
  if (foreign === undefined) return undefined;
  return (
    `${foreign.path} in ${folder} is no file of a VM, so the folder is not removed: move it away, or give another name ` +
    'with --name'
  );
}

/** What a folder is called: as it was asked for, and as VMs have it, which on a vSAN is by a UUID. */
export async function namesOf(
  vsphere: Pick<Vsphere, 'lastingPath'>,
  folder: string,
  options: FileOptions,
): Promise<readonly string[]> {
  return [folder, await vsphere.lastingPath(folder, options)];
}

/** VMs and templates with a file in the folder of these names. */
export function usersOf(folders: readonly string[], vms: readonly VmSummary[]): readonly VmSummary[] {
  const isInside = (file: string): boolean => folders.some((folder) => file.startsWith(`${folder}/`));
  return vms.filter(({ vmPathName, diskFiles }) => isInside(vmPathName) || diskFiles.some(isInside));
}

/** The folder that a target gives a VM of that name; undefined for a name that is none as it stands. */
function folderOf(datastore: string, name: string): string | undefined {
  return /[/\\%]/.test(name) || /^\.*$/.test(name.trim()) ? undefined : `[${datastore}] ${name}`;
}
