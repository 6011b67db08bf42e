// How a copy is held back, as a person reads it.
import type { Throttle } from '../../contract/index.ts';
import { formatBytes } from '../quantity.ts';

/** `at most 50 MiB/s`, `paused`, or `paused, later at most 50 MiB/s`; undefined where it is not held back. */
export function throttleText({ bytesPerSecond, paused }: Throttle): string | undefined {
  const limit = bytesPerSecond === undefined ? undefined : `at most ${formatBytes(bytesPerSecond)}/s`;
  if (!paused) return limit;
  return limit === undefined ? 'paused' : `paused, later ${limit}`;
}
