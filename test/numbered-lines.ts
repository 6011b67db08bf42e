// A guest that writes numbered lines, as its log shows it, as it is seen from outside, and as it lies on a disk that no
// machine runs from.
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Guest } from '../demo/guest.ts';
import { until } from '../demo/until.ts';
import type { Lab } from '../lab/lab.ts';

const LOOK_EVERY_MS = 20;
const WRITE_LIMIT_MS = 120_000;
/** Where the partition of the guest's boot disk begins: lab/guest/build.sh. */
const PARTITION_OFFSET = 1 << 20;
const MAX_LOG_BYTES = 16 << 20;

/** What a log is that lacks nothing: 1 and on. */
export const counted = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** Returns when the guest has written so many lines more. */
export async function untilItWrote(guest: Guest, more: number): Promise<void> {
  const before = (await guest.log()).length;
  await until(`the guest to write ${more} lines`, WRITE_LIMIT_MS, async () =>
    (await guest.log()).length >= before + more ? true : undefined,
  );
}

/** The log in a boot disk's data file, read by mtools, which know nothing of us. */
export async function linesOn(disk: string): Promise<number[]> {
  const args = ['-n', '-i', `${disk}@@${PARTITION_OFFSET}`, '::log.txt', '-'];
  const { stdout } = await promisify(execFile)('mcopy', args, { maxBuffer: MAX_LOG_BYTES });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

export interface Watched {
  /** The longest time without a new line. */
  readonly longestPauseMs: number;
  /** The last one that the guest acknowledged; 0 for none. */
  readonly lastLine: number;
}

/**
 * Looks until `done` has settled, one way or the other.
 * @param vm by name or reference; by name where it is registered anew, resumed or booted by the way, because then it
 *   has another reference and another process.
 */
export async function watchLines(lab: Lab, vm: string, done: Promise<unknown>): Promise<Watched> {
  const over = new AbortController();
  const end = (): void => over.abort();
  done.then(end, end);
  let lastLine = 0;
  let longestPauseMs = 0;
  let since = Date.now();
  while (!over.signal.aborted) {
    const line = await lastLineOf(lab, vm);
    if (line > lastLine) since = Date.now();
    else longestPauseMs = Math.max(longestPauseMs, Date.now() - since);
    lastLine = Math.max(line, lastLine);
    await delay(LOOK_EVERY_MS);
  }
  return { longestPauseMs, lastLine };
}

/** 0 while its VM does not run. */
async function lastLineOf(lab: Lab, vm: string): Promise<number> {
  const lines = await lab
    .guest(vm)
    .logged()
    .catch(() => []);
  return lines.reduce((most, each) => Math.max(most, each), 0);
}
