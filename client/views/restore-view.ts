// How far a restore is, and where it goes, as a person reads it.
import type { RestoreStatus } from '../../contract/index.ts';
import { formatBytes, formatDuration } from '../quantity.ts';

/** `50 %  6 GiB of 12 GiB  110 MiB/s  55.9 s left  web01.vmdk`, as far as it is known. */
export function copyText({ copiedBytes, totalBytes, bytesPerSecond, leftMs, disk }: RestoreStatus): string {
  if (totalBytes === undefined) return 'nothing copied yet';
  const percent = totalBytes === 0 ? 100 : Math.floor((100 * copiedBytes) / totalBytes);
  const parts = [`${percent} %`, `${formatBytes(copiedBytes)} of ${formatBytes(totalBytes)}`];
  if (bytesPerSecond !== undefined) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (leftMs !== undefined) parts.push(`${formatDuration(leftMs)} left`);
  if (disk !== undefined) parts.push(disk);
  return parts.join('  ');
}

export function restoreText(restore: RestoreStatus): string {
  const took = restore.copyMs === undefined ? '' : `  in ${formatDuration(restore.copyMs)}`;
  return `to ${placeText(restore)}, ${copyText(restore)}${took}`;
}

/** `[vmfs01] web01/web01_1-web01-k3v9q2m4xa.vmdk, scsi0:2 of VM web01`, as far as it is known. */
function placeText({ location, datastore, toVm }: RestoreStatus): string {
  const place = location ?? datastore;
  if (toVm === undefined) return place ?? 'production';
  const vm = toVm.node === undefined ? `VM ${toVm.name}` : `${toVm.node} of VM ${toVm.name}`;
  return place === undefined ? vm : `${place}, ${vm}`;
}
