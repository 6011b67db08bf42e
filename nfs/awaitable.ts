// Going on after a value that is there, or after the promise of one. The data path runs without a promise where the
// file system answers at once: `await` would cost a turn of the microtask queue per call.
import type { Awaitable } from './file-system.ts';

/** `next` of the value: at once where it is there, else when it comes. */
export function after<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
