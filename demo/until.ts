// Waiting for a condition, with a limit: what tests and the demo do instead of sleeping.
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 25;

/** Looks until `look` answers something other than undefined, and returns that. Throws after `limitMs`, naming `what`. */
export async function until<T>(
  what: string,
  limitMs: number,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadlineMs = Date.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > deadlineMs) throw new Error(`waited ${limitMs / 1000} s for ${what}, in vain`);
    await delay(LOOK_EVERY_MS);
  }
}
