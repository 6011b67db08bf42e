// The folder that a round makes on the production datastore, called as its VM, and what is read from it.
import { type ProveProductionInput, proveVmName } from '../../contract/index.ts';
import type { Vsphere } from '../../vsphere/index.ts';
import { isObjectStore } from '../preflight/production-datastore.ts';
import { readCounters } from './boot-sector.ts';
import { readDisk } from './snapshot.ts';
import { Unmet } from './trial.ts';

type Place = Pick<ProveProductionInput, 'sessionId' | 'datastore'>;

/** `[vmfs01] rundirect-prove-…` */
export const homeOf = ({ sessionId, datastore }: Place): string =>
  `[${datastore.name}] ${proveVmName(sessionId)}`;

/** Why what is done by files is not tried there; undefined where it is. */
export function noFolders({ datastore }: Place): string | undefined {
  if (!isObjectStore(datastore)) return undefined;
  const { name, type } = datastore;
  return `${name} is of type ${type}: only the target itself migrates a VM there. Name one of VMFS or NFS for this`;
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
