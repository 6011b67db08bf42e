// Files and folders of datastores: FileManager, DatastoreNamespaceManager (vSAN and vVols have no plain top-level
// directories), and the datastore browser. Deleting and making are repeatable: what is so already is done.
import { VsphereError } from './errors.ts';
import { locate, type Place } from './place.ts';
import { readObject } from './property-collector.ts';
import type { HostDatastoreBrowserSearchResults, ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import { runTask } from './tasks.ts';
import type {
  CallOptions,
  CopyFileSpec,
  CopySpec,
  DatastoreFile,
  DeleteFileOptions,
  FileOptions,
  TaskOptions,
} from './types.ts';

/** Types of datastores whose top-level directories are objects. */
const NAMESPACE_TYPES: ReadonlySet<string> = new Set(['vsan', 'vvol']);

export async function makeDirectory(
  session: Session,
  path: string,
  options: FileOptions = {},
): Promise<string> {
  const place = await locate(session, path, options);
  if (await hasNamespaces(session, place, options)) return makeInNamespace(session, place, options);
  await makePlain(session, place, options);
  return place.full;
}

export async function lastingPath(
  session: Session,
  path: string,
  options: FileOptions = {},
): Promise<string> {
  const place = await locate(session, path, options);
  if (!(await hasNamespaces(session, place, options))) return place.full;
  const [name = '', ...below] = place.path.split('/');
  const top = await namespaceUuid(session, place, name, options);
  return top === undefined ? place.full : `[${place.datastoreName}] ${[top, ...below].join('/')}`;
}

async function makePlain(session: Session, { full, datacenter }: Place, options: CallOptions): Promise<void> {
  const parameters = { name: full, datacenter, createParentDirectories: true };
  try {
    await session.call('MakeDirectory', service(session, 'fileManager'), parameters, options);
  } catch (error) {
    if (!isFault(error, 'FileAlreadyExists')) throw error;
  }
}

export async function deleteDatastoreFile(
  session: Session,
  path: string,
  { last, ...options }: DeleteFileOptions = {},
): Promise<void> {
  const place = await locate(session, path, options);
  const isTop = !place.path.includes('/');
  if (isTop && (await hasNamespaces(session, place, options))) {
    await deleteNamespace(session, place, last, options);
    return;
  }
  await deleteFile(session, place, options);
}

export async function copyDatastoreFile(
  session: Session,
  spec: CopyFileSpec,
  options: TaskOptions = {},
): Promise<void> {
  const parameters = await twoPlaces(session, spec, options);
  await runTask(session, 'CopyDatastoreFile_Task', service(session, 'fileManager'), parameters, options);
}

export async function moveDatastoreFile(
  session: Session,
  spec: CopyFileSpec,
  options: TaskOptions = {},
): Promise<void> {
  const parameters = await twoPlaces(session, spec, options);
  await runTask(session, 'MoveDatastoreFile_Task', service(session, 'fileManager'), parameters, options);
}

/**
 * On vSAN and vVols a top-level directory is an object, which is called by a UUID and only known by its name. Both
 * lead to its files; what a VM is registered with is the UUID.
 */
async function makeInNamespace(session: Session, place: Place, options: CallOptions): Promise<string> {
  const [name = '', ...below] = place.path.split('/');
  const top = await namespace(session, place, name, options);
  const full = `[${place.datastoreName}] ${[top, ...below].join('/')}`;
  if (below.length > 0) await makePlain(session, { ...place, full }, options);
  return full;
}

async function namespace(
  session: Session,
  place: Place,
  name: string,
  options: CallOptions,
): Promise<string> {
  const standing = await namespaceUuid(session, place, name, options);
  if (standing !== undefined) return standing;
  const namespaces = service(session, 'datastoreNamespaceManager');
  const parameters = { datastore: place.datastore, displayName: name };
  const made = await session.call('CreateDirectory', namespaces, parameters, options);
  if (made !== undefined) return lastOf(made);
  throw new VsphereError('Unexpected', `Making ${place.full} at ${session.address} made nothing.`);
}

/** Undefined when there is no namespace of that name or UUID. */
async function namespaceUuid(
  session: Session,
  { datastore, datacenter }: Place,
  name: string,
  options: CallOptions,
): Promise<string | undefined> {
  const namespaces = service(session, 'datastoreNamespaceManager');
  const namespaceUrl = `${await urlOf(session, datastore, options)}/${name}`;
  try {
    const parameters = { datacenter, namespaceUrl };
    const found = await session.call('ConvertNamespacePathToUuidPath', namespaces, parameters, options);
    return found === undefined ? undefined : lastOf(found);
  } catch (error) {
    if (isFault(error, 'FileNotFound')) return undefined;
    throw error;
  }
}

const lastOf = (path: string): string => path.replace(/\/+$/, '').split('/').at(-1) ?? '';

async function urlOf(
  session: Session,
  datastore: ManagedObjectReference,
  options: CallOptions,
): Promise<string> {
  const ref = { type: 'Datastore', value: datastore.value } as const;
  const url = (await readObject(session, ref, ['summary.url'], options))?.read['summary.url'];
  if (url !== undefined) return url.replace(/\/+$/, '');
  throw new VsphereError('NotFound', `Datastore ${datastore.value} at ${session.address} tells no path.`);
}

async function hasNamespaces(session: Session, { datastore }: Place, options: CallOptions): Promise<boolean> {
  const ref = { type: 'Datastore', value: datastore.value } as const;
  const type = (await readObject(session, ref, ['summary.type'], options))?.read['summary.type'];
  return type !== undefined && NAMESPACE_TYPES.has(type.toLowerCase());
}

/** Emptied first: a namespace that is not empty stays, and disks are objects beside it. */
async function deleteNamespace(
  session: Session,
  place: Place,
  last: string | undefined,
  options: CallOptions,
): Promise<void> {
  const uuid = await namespaceUuid(session, place, place.path, options);
  if (uuid === undefined) return;
  const full = `[${place.datastoreName}] ${uuid}`;
  const files = (await listFolder(session, full, { ...options, datacenter: place.datacenter.value })) ?? [];
  for (const disk of files.filter((each) => !each.isFolder && each.path.endsWith('.vmdk'))) {
    await deleteDisk(session, place, disk.path, options);
  }
  // A folder is listed before what is in it.
  const inOrder = files.toReversed().map((file) => file.path);
  const isLast = (file: string): boolean => last !== undefined && file === `${full}/${last}`;
  for (const file of [...inOrder.filter((each) => !isLast(each)), ...inOrder.filter(isLast)]) {
    await deleteFile(session, { ...place, full: file }, options);
  }
  const { datacenter } = place;
  const url = await urlOf(session, place.datastore, options);
  const datastorePath = `${url.replace(/^ds:\/\//, '')}/${uuid}`;
  const namespaces = service(session, 'datastoreNamespaceManager');
  try {
    await session.call('DeleteDirectory', namespaces, { datacenter, datastorePath }, options);
  } catch (error) {
    if (!isFault(error, 'FileNotFound')) throw error;
  }
}

async function deleteFile(
  session: Session,
  { full, datacenter }: Place,
  options: TaskOptions,
): Promise<void> {
  try {
    const parameters = { name: full, datacenter };
    await runTask(session, 'DeleteDatastoreFile_Task', service(session, 'fileManager'), parameters, options);
  } catch (error) {
    if (!isFault(error, 'FileNotFound')) throw error;
  }
}

/** A descriptor and its object; what only has a disk's name is deleted as a file. */
async function deleteDisk(session: Session, place: Place, name: string, options: TaskOptions): Promise<void> {
  const { datacenter } = place;
  const disks = service(session, 'virtualDiskManager');
  try {
    await runTask(session, 'DeleteVirtualDisk_Task', disks, { name, datacenter }, options);
  } catch (error) {
    if (!(error instanceof VsphereError) || error.code === 'TargetUnavailable') throw error;
    await deleteFile(session, { ...place, full: name }, options);
  }
}

export async function listFolder(
  session: Session,
  path: string,
  options: FileOptions = {},
): Promise<readonly DatastoreFile[] | undefined> {
  const { full, browser, datastoreName } = await locate(session, path, options);
  if (browser === undefined) {
    throw new VsphereError(
      'NoPermission',
      `Datastore ${datastoreName} at ${session.address} can't be browsed.`,
    );
  }
  const details = { fileType: true, fileSize: true, modification: true, fileOwner: false };
  const parameters = { datastorePath: full, searchSpec: { details, matchPattern: ['*'] } };
  try {
    const found = await runTask(session, 'SearchDatastoreSubFolders_Task', browser, parameters, options);
    return ((found ?? []) as readonly HostDatastoreBrowserSearchResults[]).flatMap(filesOf);
  } catch (error) {
    if (isFault(error, 'FileNotFound')) return undefined;
    throw error;
  }
}

function filesOf({ folderPath = '', file }: HostDatastoreBrowserSearchResults): DatastoreFile[] {
  // Hosts write folders with a slash at the end.
  const folder = folderPath.replace(/\/$/, '');
  return (file ?? []).map((each) => ({
    path: `${folder}/${each.path}`,
    isFolder: each.$type === 'FolderFileInfo',
    sizeBytes: each.fileSize ?? 0,
    modified: each.modification,
  }));
}

async function twoPlaces(session: Session, spec: CopyFileSpec, options: CallOptions) {
  const { source, destination } = await locateBoth(session, spec, options);
  return {
    sourceName: source.full,
    sourceDatacenter: source.datacenter,
    destinationName: destination.full,
    destinationDatacenter: destination.datacenter,
    force: spec.overwrite ?? false,
  };
}

export async function locateBoth(session: Session, spec: CopySpec, options: CallOptions) {
  const { signal } = options;
  const source = await locate(session, spec.source, { signal, datacenter: spec.sourceDatacenter });
  const destination = await locate(session, spec.destination, {
    signal,
    datacenter: spec.destinationDatacenter,
  });
  return { source, destination };
}

export function service(
  session: Session,
  name: 'fileManager' | 'datastoreNamespaceManager' | 'virtualDiskManager',
): ManagedObjectReference {
  const found = session.content[name];
  if (found !== undefined) return found;
  throw new VsphereError('NotSupported', `${session.address} has no ${name}.`);
}

function isFault(error: unknown, fault: string): boolean {
  return error instanceof VsphereError && error.fault === fault;
}
