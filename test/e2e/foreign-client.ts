// The gateway's exports as libnfs reads them, an NFS client that knows nothing of us.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { House } from '../../demo/house.ts';
import { connect } from '../../vsphere/index.ts';

/** An URL of libnfs for a path below the root of the export that the target has mounted. */
export async function nfsUrl({ stack }: House, below: string): Promise<string> {
  await using vsphere = await connect(stack.lab.ready);
  const nas = (await vsphere.inventory()).datastores.find((each) => each.nas !== undefined)?.nas;
  if (nas === undefined) throw new Error('the target has no NFS datastore');
  const { nfsPort, mountPort } = stack.site;
  return `nfs://${nas.remoteHost}${nas.remotePath}/${below}?version=3&nfsport=${nfsPort}&mountport=${mountPort}`;
}

/** Copies a file from there into the run's folder, and answers where it is. */
export async function copyOut(house: House, below: string, name: string): Promise<string> {
  const copy = path.join(house.stack.folder, name);
  await promisify(execFile)('nfs-cp', [await nfsUrl(house, below), copy]);
  return copy;
}
