// Undoes the restore of a disk: what may still come is ended first, a copy and an attachment whose answer nobody got;
// then the VM loses the disk, and its files go. Never happened is done.
import type { RemoveRestoredDiskInput } from '../../contract/index.ts';
import type { DatastoreFile, Vsphere } from '../../vsphere/index.ts';
import { endCopy } from '../copy-disk.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { partsOf, pathOf } from './disk-file.ts';

export async function removeRestoredDisk(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: RemoveRestoredDiskInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const { vm, file, task } = input;
  await withTarget(deps, step, input.target, async (vsphere) => {
    const { signal } = step;
    if (task !== undefined) await endCopy(vsphere, task, step);
    await vsphere.detachDisk(vm.moref, pathOf(file), { signal });
    await assertUnused(vsphere, input, step);
    await removeFiles(vsphere, input, step);
    // A call that was still on its way may have come just before the file went; after that it finds none.
    await vsphere.detachDisk(vm.moref, pathOf(file), { signal });
  });
}

/** Somebody may have given it to another VM by hand; in the VM itself it is a call that came late. */
async function assertUnused(
  vsphere: Vsphere,
  { vm, file }: RemoveRestoredDiskInput,
  { signal }: Step,
): Promise<void> {
  const path = pathOf(file);
  for await (const { name, moref, diskFiles } of vsphere.listVms({ templates: true, signal })) {
    if (!diskFiles.includes(path)) continue;
    const type = moref === vm.moref ? 'TaskInProgress' : 'NotOurs';
    throw failureFor(type, `${path} is a disk of VM ${name} (${moref}) now, so it is not deleted`);
  }
}

/** The disk, what a copy left that broke off, and the folder if it was made for it and is empty. */
async function removeFiles(
  vsphere: Vsphere,
  { file }: RemoveRestoredDiskInput,
  { signal }: Step,
): Promise<void> {
  const folder = `[${file.datastore}] ${file.folder}`;
  const isPart = ({ path }: DatastoreFile): boolean => partsOf(file).includes(path);
  const list = async () => await vsphere.listFolder(folder, { signal });
  const before = await list();
  if (before === undefined) return;
  if (before.some(isPart)) await vsphere.deleteVirtualDisk(pathOf(file), { signal });
  const left = (await list()) ?? [];
  const ours = left.filter(isPart);
  for (const { path } of ours) await vsphere.deleteDatastoreFile(path, { signal });
  if (file.isNewFolder && left.length === ours.length) await vsphere.deleteDatastoreFile(folder, { signal });
}
