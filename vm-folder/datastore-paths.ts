// Where the disks that a .vmx names are on this machine. A plain name lies in the VM's folder, brackets in it or not.
// `[NAME] dir/x.vmdk` and `/vmfs/volumes/NAME/dir/x.vmdk` lie on a datastore: where the caller says that it is, or
// else beside the VM's own, as in ROOT/DATASTORE/VM. Hosts write the UUID of a datastore for its name.
//
// A .vmx can be edited by whoever may edit the VM: no path leads out of the VM's folder and the datastores.
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { VmFolderError } from './vm-folder-error.ts';

const BRACKETS = /^\[([^\]]+)\]\s*(.+\/.+)$/;
const VOLUMES = /^\/vmfs\/volumes\/([^/]+)\/(.+)$/;

/** The absolute path of a disk's descriptor. Throws VmFolderError SourceInvalid, naming the path and the way out. */
export async function resolveDiskPath(
  folder: string,
  fileName: string,
  datastores: Readonly<Record<string, string>>,
): Promise<string> {
  const [, datastore, path] = BRACKETS.exec(fileName) ?? VOLUMES.exec(fileName) ?? [];
  if (datastore !== undefined && path !== undefined) {
    refuseEscape(fileName, path);
    return join(await datastoreFolder(folder, datastore, fileName, datastores), path);
  }
  if (fileName.startsWith('/')) {
    throw new VmFolderError(
      'SourceInvalid',
      `The .vmx names disk ${fileName}: an absolute path that is on no datastore. Move the disk into the VM's folder.`,
    );
  }
  refuseEscape(fileName, fileName);
  return join(folder, fileName);
}

async function datastoreFolder(
  folder: string,
  datastore: string,
  fileName: string,
  datastores: Readonly<Record<string, string>>,
): Promise<string> {
  const given = Object.hasOwn(datastores, datastore) ? datastores[datastore] : undefined;
  if (given !== undefined) return given;
  const beside = join(dirname(dirname(resolve(folder))), datastore);
  const isPlain = datastore !== '.' && datastore !== '..' && !datastore.includes('/');
  if (isPlain && (await isFolder(beside))) return beside;
  throw new VmFolderError(
    'SourceInvalid',
    `The .vmx names disk ${fileName} on datastore '${datastore}', which is not at ${beside}. Mount it there, or make a symbolic link of that name to where it is: ln -s DATASTORE '${beside}'.`,
  );
}

function refuseEscape(fileName: string, path: string): void {
  if (!path.split('/').includes('..')) return;
  throw new VmFolderError(
    'SourceInvalid',
    `The .vmx names disk ${fileName}: a path with '..' is not followed.`,
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
