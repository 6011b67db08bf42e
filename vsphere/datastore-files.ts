// Files and folders of datastores: FileManager, DatastoreNamespaceManager (vSAN and vVols have no plain top-level
// directories), and the datastore browser. Deleting and making are repeatable: what is so already is done.
import { VsphereError } from './errors.ts';
import { locate } from './place.ts';
import type { HostDatastoreBrowserSearchResults, ManagedObjectReference } from './schema/vim25.ts';
import type { Session } from './session.ts';
import { runTask } from './tasks.ts';
import type {
  CallOptions,
  CopyFileSpec,
  CopySpec,
  DatastoreFile,
  FileOptions,
  TaskOptions,
} from './types.ts';

export async function makeDirectory(
  session: Session,
  path: string,
  options: FileOptions = {},
): Promise<void> {
  const { full, datacenter } = await locate(session, path, options);
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
  options: FileOptions = {},
): Promise<void> {
  const { full, datacenter } = await locate(session, path, options);
  try {
    const parameters = { name: full, datacenter };
    await runTask(session, 'DeleteDatastoreFile_Task', service(session, 'fileManager'), parameters, options);
  } catch (error) {
    if (!isFault(error, 'FileNotFound')) throw error;
  }
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

export async function createNamespaceDirectory(
  session: Session,
  datastore: string,
  name: string,
  options: CallOptions = {},
): Promise<string> {
  const made = await session.call(
    'CreateDirectory',
    service(session, 'datastoreNamespaceManager'),
    { datastore: { type: 'Datastore', value: datastore }, displayName: name },
    options,
  );
  if (made !== undefined) return made;
  throw new VsphereError('Unexpected', `Making directory ${name} on datastore ${datastore} made nothing.`);
}

export async function deleteNamespaceDirectory(
  session: Session,
  path: string,
  options: CallOptions & { readonly datacenter: string },
): Promise<void> {
  const datacenter = { type: 'Datacenter', value: options.datacenter };
  const parameters = { datacenter, datastorePath: path };
  try {
    await session.call('DeleteDirectory', service(session, 'datastoreNamespaceManager'), parameters, options);
  } catch (error) {
    if (!isFault(error, 'FileNotFound')) throw error;
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
