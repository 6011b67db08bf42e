// How a restore stands before anything of it was looked at.
import type { RestoreStatus } from '../../contract/index.ts';

export function restoreStatus(to: Pick<RestoreStatus, 'datastore' | 'toVm'>): RestoreStatus {
  return {
    ...to,
    location: undefined,
    disk: undefined,
    copiedBytes: 0,
    totalBytes: undefined,
    bytesPerSecond: undefined,
    leftMs: undefined,
    copyMs: undefined,
  };
}
