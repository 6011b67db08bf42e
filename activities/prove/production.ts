// The folder that a round makes on the production datastore, called as its VM, and what is read from it.
import { posix } from 'node:path';
import { type ProveProductionInput, proveVmName } from '../../contract/index.ts';
import type { Vsphere } from '../../vsphere/index.ts';
import { readCounters } from './boot-sector.ts';
import { readDisk } from './snapshot.ts';
import { Unmet } from './trial.ts';

type Place = Pick<ProveProductionInput, 'sessionId' | 'datastore'>;

/** `[vmfs01] rundirect-prove-…` */
export const homeOf = ({ sessionId, datastore }: Place): string =>
  `[${datastore.name}] ${proveVmName(sessionId)}`;
/** As descriptors and .vmx files name it from elsewhere. */
export const homePathOf = ({ sessionId, datastore }: Place): string =>
  `/vmfs/volumes/${datastore.name}/${proveVmName(sessionId)}`;
/** The session's directory at the gateway, in both forms. */
export const sessionFolderOf = ({ placement, exported }: ProveProductionInput): string =>
  `[${placement.datastore}] ${posix.dirname(exported.vmxPath)}`;
export const sessionPathOf = ({ placement, exported }: ProveProductionInput): string =>
  `/vmfs/volumes/${placement.datastore}/${posix.dirname(exported.vmxPath)}`;

/** vSAN has no plain folders at its top, and no flat files: what a round does there by files is not tried on it. */
export function noFolders({ datastore }: Place): string | undefined {
  if (datastore.type !== 'vsan') return undefined;
  return `${datastore.name} is a vSAN datastore, where this is not tried: name one of VMFS or NFS, too`;
}

/** Powers the VM off, and reads what its guest has counted. Throws Unmet unless it was booted once. */
export async function bootedOnce(vsphere: Vsphere, moref: string, signal: AbortSignal): Promise<string> {
  const disk = await readDisk(vsphere, moref, signal);
  await vsphere.powerOffVm(moref, { signal });
  const flat = disk.fileName.replace(/\.vmdk$/, '-flat.vmdk');
  const counters = readCounters(await vsphere.downloadFile(flat, { signal }));
  if (counters === undefined) throw new Unmet(`${flat} is not what the guest wrote to`);
  const { boots, seconds } = counters;
  if (boots === 1) return `booted once, wrote for ${seconds} s`;
  throw new Unmet(`the guest was booted ${boots} times`);
}
