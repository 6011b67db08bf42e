// Copying and deleting disks by their descriptors (VirtualDiskManager). A host converts while it copies, and makes
// a preallocated busLogic disk unless told what is wanted; a vCenter does not implement that wish. `force` is left
// out: hosts ignore it.

import { locateBoth, service } from './datastore-files.ts';
import { VsphereError } from './errors.ts';
import { locate } from './place.ts';
import type { Session } from './session.ts';
import { runTask } from './tasks.ts';
import type { CopyVirtualDiskSpec, FileOptions, TaskOptions } from './types.ts';

export async function copyVirtualDisk(
  session: Session,
  spec: CopyVirtualDiskSpec,
  options: TaskOptions = {},
): Promise<void> {
  const { source, destination } = await locateBoth(session, spec, options);
  const parameters = {
    sourceName: source.full,
    sourceDatacenter: source.datacenter,
    destName: destination.full,
    destDatacenter: destination.datacenter,
    ...(spec.spec === undefined ? {} : { destSpec: spec.spec }),
  };
  await runTask(session, 'CopyVirtualDisk_Task', service(session, 'virtualDiskManager'), parameters, options);
}

export async function deleteVirtualDisk(
  session: Session,
  path: string,
  options: FileOptions = {},
): Promise<void> {
  const { full, datacenter } = await locate(session, path, options);
  const parameters = { name: full, datacenter };
  const disks = service(session, 'virtualDiskManager');
  try {
    await runTask(session, 'DeleteVirtualDisk_Task', disks, parameters, options);
  } catch (error) {
    if (!(error instanceof VsphereError) || error.fault !== 'FileNotFound') throw error;
  }
}
