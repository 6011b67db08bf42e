// Puts the parts together: one session, and what can be asked of it.

import { attachDisk, detachDisk, findDiskPlace } from './attached-disks.ts';
import {
  copyDatastoreFile,
  deleteDatastoreFile,
  lastingPath,
  listFolder,
  makeDirectory,
  moveDatastoreFile,
} from './datastore-files.ts';
import { createNasDatastore, removeDatastore, repeatNasDatastore } from './datastores.ts';
import { downloadFile, uploadFile } from './file-transfer.ts';
import { addIsolatedPortGroup, removeIsolatedPortGroup } from './host-network.ts';
import { readInventory } from './inventory.ts';
import { readLicence } from './licence.ts';
import { powerOffVm, powerOnVm, resetVm, shutdownGuest, suspendVm } from './power.ts';
import { checkRelocate, relocateVm } from './relocate.ts';
import type { AboutInfo } from './schema/vim25.ts';
import { screenshot } from './screenshot.ts';
import { openSession } from './session.ts';
import { consolidateDisks, createSnapshot, removeAllSnapshots, removeSnapshot } from './snapshots.ts';
import { attachTask, cancelTask } from './tasks.ts';
import type { About, ConnectOptions, Vsphere } from './types.ts';
import { copyVirtualDisk, deleteVirtualDisk } from './virtual-disks.ts';
import {
  answerVm,
  destroyVm,
  findVmByPath,
  findVmsByExtraConfig,
  findVmsByName,
  listVms,
  readVm,
  reconfigureVm,
  registerVm,
  renameVm,
  unregisterVm,
  waitForVm,
} from './virtual-machines.ts';

/** Logs in. Throws `InvalidLogin`, `CertificateMismatch`, `TargetUnavailable`, `NotSupported`, `Cancelled`. */
export async function connect(options: ConnectOptions): Promise<Vsphere> {
  const session = await openSession(options);
  const about = aboutOf(session.content.about);
  return {
    about,
    isVirtualCenter: about.apiType === 'VirtualCenter',
    inventory: (callOptions) => readInventory(session, callOptions),
    listVms: (callOptions) => listVms(session, callOptions),
    licence: (callOptions) => readLicence(session, callOptions),
    createNasDatastore: (...rest) => createNasDatastore(session, ...rest),
    repeatNasDatastore: (...rest) => repeatNasDatastore(session, ...rest),
    removeDatastore: (...rest) => removeDatastore(session, ...rest),
    registerVm: (...rest) => registerVm(session, ...rest),
    unregisterVm: (...rest) => unregisterVm(session, ...rest),
    readVm: (...rest) => readVm(session, ...rest),
    findVmsByExtraConfig: (...rest) => findVmsByExtraConfig(session, ...rest),
    findVmByPath: (...rest) => findVmByPath(session, ...rest),
    findVmsByName: (...rest) => findVmsByName(session, ...rest),
    reconfigureVm: (...rest) => reconfigureVm(session, ...rest),
    findDiskPlace: (...rest) => findDiskPlace(session, ...rest),
    attachDisk: (...rest) => attachDisk(session, ...rest),
    detachDisk: (...rest) => detachDisk(session, ...rest),
    answerVm: (...rest) => answerVm(session, ...rest),
    powerOnVm: (...rest) => powerOnVm(session, ...rest),
    powerOffVm: (...rest) => powerOffVm(session, ...rest),
    shutdownGuest: (...rest) => shutdownGuest(session, ...rest),
    resetVm: (...rest) => resetVm(session, ...rest),
    suspendVm: (...rest) => suspendVm(session, ...rest),
    screenshot: (...rest) => screenshot(session, ...rest),
    waitForVm: (...rest) => waitForVm(session, ...rest),
    attachTask: (...rest) => attachTask(session, ...rest),
    cancelTask: (...rest) => cancelTask(session, ...rest),
    relocateVm: (...rest) => relocateVm(session, ...rest),
    checkRelocate: (...rest) => checkRelocate(session, ...rest),
    createSnapshot: (...rest) => createSnapshot(session, ...rest),
    removeSnapshot: (...rest) => removeSnapshot(session, ...rest),
    removeAllSnapshots: (...rest) => removeAllSnapshots(session, ...rest),
    consolidateDisks: (...rest) => consolidateDisks(session, ...rest),
    renameVm: (...rest) => renameVm(session, ...rest),
    destroyVm: (...rest) => destroyVm(session, ...rest),
    copyVirtualDisk: (...rest) => copyVirtualDisk(session, ...rest),
    deleteVirtualDisk: (...rest) => deleteVirtualDisk(session, ...rest),
    makeDirectory: (...rest) => makeDirectory(session, ...rest),
    lastingPath: (...rest) => lastingPath(session, ...rest),
    deleteDatastoreFile: (...rest) => deleteDatastoreFile(session, ...rest),
    copyDatastoreFile: (...rest) => copyDatastoreFile(session, ...rest),
    moveDatastoreFile: (...rest) => moveDatastoreFile(session, ...rest),
    listFolder: (...rest) => listFolder(session, ...rest),
    uploadFile: (...rest) => uploadFile(session, ...rest),
    downloadFile: (...rest) => downloadFile(session, ...rest),
    addIsolatedPortGroup: (...rest) => addIsolatedPortGroup(session, ...rest),
    removeIsolatedPortGroup: (...rest) => removeIsolatedPortGroup(session, ...rest),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

function aboutOf(about: AboutInfo): About {
  const { apiVersion, version, build, name, fullName, instanceUuid } = about;
  const apiType = about.apiType === 'VirtualCenter' ? 'VirtualCenter' : 'HostAgent';
  return { apiType, apiVersion, version, build, name, fullName, instanceUuid };
}
