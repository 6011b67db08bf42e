// What a guest that writes numbered lines shows of a migration from outside: the longest time without a new line, and
// the last line that it acknowledged. It is looked for by its VM's name, because a VM that is registered anew, resumed
// or booted by the way has another reference and another process.
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../../lab/lab.ts';

const LOOK_EVERY_MS = 100;

export interface Watched {
  readonly longestPauseMs: number;
  /** 0 for none. */
  readonly lastLine: number;
}

/** Looks until `done` has settled, one way or the other. */
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
