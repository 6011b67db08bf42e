// The door: a VM's folder as on a datastore or on disk, read for a backup, and the texts that a published copy
// of it gets. Nothing here knows of vaults, NFS or vSphere.
export { hardwareFindings } from './hardware-findings.ts';
export { openVmFolder } from './open-vm-folder.ts';
export { productionVmx, STATE_KEY } from './production-vmx.ts';
export { publishedVmx, SESSION_KEY, withoutMark } from './published-vmx.ts';
export * from './types.ts';
export { VmFolderError, type VmFolderErrorCode } from './vm-folder-error.ts';
export {
  adapterTypeOf,
  type ParentLink,
  parentOf,
  parseDescriptor,
  publishedDescriptor,
  type VmdkDescriptor,
  withAdapterType,
  withParent,
} from './vmdk-descriptor.ts';
export { parseVmx } from './vmx.ts';
export { baseName, cardsOf, disksOf, uuidsOf } from './vmx-devices.ts';
