// What a Workflow can't tell about itself: that one of its Activities failed and Temporal tries it again. A
// person who waits should know why nothing moves.
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { isAborted } from './interruption.ts';
import type { Temporal } from './temporal.ts';

const LOOK_EVERY_MS = 1_000;
const LOOK_TIMEOUT_MS = 5_000;

/** `mount failed and is tried again: …` for each Activity that failed before; empty where Temporal is silent. */
export async function pendingTroubles(temporal: Temporal, handle: WorkflowHandle): Promise<string[]> {
  const deadline = Date.now() + LOOK_TIMEOUT_MS;
  // Only a look: who waits for the Workflow itself learns whether Temporal still answers.
  const description = await temporal.client
    .withDeadline(deadline, () => handle.describe())
    .catch(() => undefined);
  return (description?.raw.pendingActivities ?? []).flatMap(({ activityType, lastFailure }) => {
    const message = lastFailure?.message;
    if (message === undefined || message === null || message === '') return [];
    return [`${activityType?.name ?? 'a step'} failed and is tried again: ${message}`];
  });
}

export interface Troubles extends Disposable {
  /** What was told last. */
  last(): string | undefined;
}

/** Looks again and again, and tells each new trouble once, until disposed. */
export function tellTroubles(
  temporal: Temporal,
  handle: WorkflowHandle,
  tell: (message: string) => void,
): Troubles {
  const done = new AbortController();
  let last: string | undefined;
  const look = async (): Promise<void> => {
    while (!isAborted(done.signal)) {
      await delay(LOOK_EVERY_MS, undefined, { signal: done.signal }).catch(() => undefined);
      if (isAborted(done.signal)) return;
      const text = (await pendingTroubles(temporal, handle)).join('; ');
      if (isAborted(done.signal) || text === '' || text === last) continue;
      last = text;
      tell(text);
    }
  };
  void look();
  return { last: () => last, [Symbol.dispose]: () => done.abort() };
}
