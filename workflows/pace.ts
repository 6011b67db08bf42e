// A copy's rate and time left where it is held back: what is left takes as long as the limit lets it, whatever the rate
// was before.
import type { FinalizeStatus, RestoreStatus, Throttle } from '../contract/index.ts';

export interface Pace {
  readonly bytesPerSecond: number | undefined;
  readonly leftMs: number | undefined;
}

/** @param measured in bytes a second; undefined where it is not known, as after a change of the limit. */
export function paced(measured: number | undefined, leftBytes: number, throttle: Throttle | undefined): Pace {
  if (throttle?.paused === true) return { bytesPerSecond: 0, leftMs: undefined };
  const rate = Math.min(measured ?? Infinity, throttle?.bytesPerSecond ?? Infinity);
  if (!Number.isFinite(rate) || rate === 0) return { bytesPerSecond: measured, leftMs: undefined };
  return { bytesPerSecond: measured && rate, leftMs: Math.round((1000 * leftBytes) / rate) };
}

/** Bytes. */
export const leftOfRestore = ({ totalBytes = 0, copiedBytes }: RestoreStatus): number =>
  totalBytes - copiedBytes;

/** Bytes. */
export const leftOfFinalize = ({ totalBytes = 0, percent }: FinalizeStatus): number =>
  totalBytes * (1 - Math.min(100, percent) / 100);
