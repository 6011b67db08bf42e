// Waiting for a condition, with a limit: what tests and the demo do instead of sleeping.
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 25;
/** Where each look is a command of its own: a process that keeps a core busy while it starts. */
export const COMMAND_EVERY_MS = 1_000;

/** Looks until `look` answers something other than undefined, and returns that. Throws after `limitMs`, naming `what`. */
export async function until<T>(
  what: string,
  limitMs: number,
  look: () => T | undefined | Promise<T | undefined>,
  everyMs = LOOK_EVERY_MS,
): Promise<T> {
  const deadlineMs = Date.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > deadlineMs) throw new Error(`waited ${limitMs / 1000} s for ${what}, in vain`);
    await delay(everyMs);
  }
}
