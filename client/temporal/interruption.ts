// Waiting beside the wish to stop.

/** Asked anew at every call; the compiler would take the first look at a signal for the last. */
export const isAborted = (signal: AbortSignal): boolean => signal.aborted;

export interface Interruption extends Disposable {
  /** Resolves when the signal is aborted; never, where it is not. */
  readonly promise: Promise<'interrupted'>;
}

/** A promise to race against that leaves no listener behind. */
export function interruptionBy(signal: AbortSignal): Interruption {
  const { promise, resolve } = Promise.withResolvers<'interrupted'>();
  const listener = (): void => resolve('interrupted');
  if (signal.aborted) listener();
  signal.addEventListener('abort', listener, { once: true });
  return { promise, [Symbol.dispose]: () => signal.removeEventListener('abort', listener) };
}
