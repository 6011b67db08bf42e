// A folder at the top of a production datastore that is one session's for a while. A file in it says whose it is, from
// before the first other file is in it until it is handed over, or removed; two that want one folder at the same moment
// both write theirs and then look, so that at least one gives up. A folder that is somebody else's is never written to,
// and never removed; neither is one in which a VM has files, whosever it is.
import path from 'node:path';
import type { DatastoreFile, Vsphere } from '../vsphere/index.ts';
import { failureFor } from './failures.ts';
import type { Step } from './step.ts';

const OWNER_FILE = /^rundirect-.+\.(finalize|restore|changes)$/;

export interface OwnedFolder {
  /** `[datastore] name` */
  readonly path: string;
  readonly sessionId: string;
  readonly purpose: 'finalize' | 'restore' | 'changes';
  /** For people who find the file. */
  readonly words: string;
}

/** Answers the folder's path for good: a vSAN calls it by a UUID. Throws NameTaken where it is somebody else's. */
export async function claimFolder(
  vsphere: Vsphere,
  folder: OwnedFolder,
  { signal }: Pick<Step, 'signal'>,
): Promise<string> {
  const before = (await vsphere.listFolder(folder.path, { signal })) ?? [];
  const wasOurs = isOwn(before, folder);
  if (before.length > 0 && !wasOurs) throw taken(folder, before);
  const lasting = await vsphere.makeDirectory(folder.path, { signal });
  if (wasOurs) return lasting;
  await mark(vsphere, folder, { signal });
  const after = (await vsphere.listFolder(folder.path, { signal })) ?? [];
  if (isOwn(after, folder)) return lasting;
  await vsphere.deleteDatastoreFile(ownerFile(folder), { signal });
  throw taken(folder, after);
}

/** What is in it stays, and is whose it may be. */
export function releaseFolder(
  vsphere: Vsphere,
  folder: OwnedFolder,
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  return vsphere.deleteDatastoreFile(ownerFile(folder), { signal });
}

/** With all that is in it. One that is not there, or somebody else's, is done. Throws NotOurs while a VM stands on it. */
export async function removeFolder(
  vsphere: Vsphere,
  folder: OwnedFolder,
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  const files = await vsphere.listFolder(folder.path, { signal });
  // An empty one was made by a claim that got no further, or by nobody who misses it.
  if (files === undefined || (files.length > 0 && !isOwn(files, folder))) return;
  await assertUnused(vsphere, folder, { signal });
  try {
    await vsphere.deleteDatastoreFile(folder.path, { signal, last: ownerName(folder) });
  } catch (error) {
    // The target may have come as far as the file that says whose the rest is, which would be nobody's then.
    const left = (await vsphere.listFolder(folder.path)) ?? [];
    if (left.length > 0 && ownersIn(left).length === 0) await mark(vsphere, folder, {});
    throw error;
  }
}

/** Says whose it is. */
function mark(vsphere: Vsphere, folder: OwnedFolder, options: Partial<Pick<Step, 'signal'>>): Promise<void> {
  return vsphere.uploadFile(ownerFile(folder), Buffer.from(`${folder.words}\n`), options);
}

/** The files among these, by their paths, that say of which sessions a folder is, other than this one. */
export function othersClaims(files: readonly string[], sessionId: string): readonly string[] {
  const isOther = (name: string): boolean =>
    OWNER_FILE.test(name) && name.replace(/\.[^.]+$/, '') !== `rundirect-${sessionId}`;
  return files.filter((file) => isOther(path.posix.basename(file)));
}

async function assertUnused(
  vsphere: Vsphere,
  { path: folder }: OwnedFolder,
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  const names = [folder, await vsphere.lastingPath(folder, { signal })];
  const isIn = (file: string): boolean => names.some((name) => file === name || file.startsWith(`${name}/`));
  for await (const vm of vsphere.listVms({ templates: true, signal })) {
    if (![vm.vmPathName, vm.workingFolder, ...vm.diskFiles].some(isIn)) continue;
    throw failureFor(
      'NotOurs',
      `Folder ${folder} is not removed: ${vm.name} (${vm.moref}) has files there, or makes them there (workingDir). ` +
        'Migrate it, or consolidate its disks, take workingDir out of its .vmx, and delete the folder then',
    );
  }
}

const nameOf = ({ path: file }: DatastoreFile): string => path.posix.basename(file);

const ownerName = ({ sessionId, purpose }: OwnedFolder): string => `rundirect-${sessionId}.${purpose}`;

const ownerFile = (folder: OwnedFolder): string => `${folder.path}/${ownerName(folder)}`;

const ownersIn = (files: readonly DatastoreFile[]): readonly string[] =>
  files.map(nameOf).filter((name) => OWNER_FILE.test(name));

/** Ours, and nobody else's. */
function isOwn(files: readonly DatastoreFile[], folder: OwnedFolder): boolean {
  const owners = ownersIn(files);
  return owners.length === 1 && owners[0] === ownerName(folder);
}

function taken({ path: folder }: OwnedFolder, files: readonly DatastoreFile[]): Error {
  const named = files.map(nameOf).join(', ');
  return failureFor('NameTaken', `Folder ${folder} is somebody else's (${named}): nothing is written there`);
}
