// Several things that each take a while, a bounded number of them at a time, in the order in which they were asked for.
import { condition } from '@temporalio/workflow';

/** Runs a body when one of `atATime` turns is free. */
export type Turns = <T>(body: () => Promise<T>) => Promise<T>;

export function openTurns(atATime: number): Turns {
  let taken = 0;
  return async (body) => {
    // One that is freed wakes all who wait, and only the first of them finds it free.
    while (taken >= atATime) await condition(() => taken < atATime);
    taken += 1;
    try {
      return await body();
    } finally {
      taken -= 1;
    }
  };
}
