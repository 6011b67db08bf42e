// The door: a VM's folder as on a datastore or on disk, read for a backup, and the texts that a published copy
// of it gets. Nothing here knows of vaults, NFS or vSphere.
export * from './types.ts';
export { VmFolderError, type VmFolderErrorCode } from './vm-folder-error.ts';
