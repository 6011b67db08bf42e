// What must be undone if a start does not get to its end: a stack, filled before each step runs.
//
// Undoing is stubborn: whatever stands in the way (a target that is away, a gateway that restarts, a password
// that changed) is told, waited for and tried again for days, because giving up leaves something on somebody's
// host. It gives up at once only where going on would harm: the VM is not ours. Then the steps that it stands
// on are left as they are, too, so that the VM keeps its disks.
import { CancellationScope, sleep } from '@temporalio/workflow';
import { type Reason, reasonOf } from './failure.ts';

export interface Compensation {
  /** What it does, for a person: `unmount the datastore`. */
  readonly name: string;
  /** One bounded round of trying. */
  readonly run: () => Promise<unknown>;
}

export interface CompensationListener {
  /** A round failed; the next one starts after `waitMs`. */
  onWaiting(name: string, reason: Reason, waitMs: number): void;
  onDone(name: string): void;
}

const FIRST_WAIT_MS = 2_000;
const MAX_WAIT_MS = 600_000;
/** A target locks an account that is refused a few times in a quarter of an hour, for everybody who uses it. */
const LOGIN_WAIT_MS = 1_200_000;
/** Together about three days. */
const MAX_ROUNDS = 450;
/** To go on would touch what is not ours, or end a guest that nobody gave up. */
const hopeless: ReadonlySet<string> = new Set(['VmMoved', 'NotOurs', 'GuestRuns']);

/** Names of what could not be undone, and why; empty when nothing is left. */
export interface Undone {
  readonly left: readonly string[];
  readonly reason: Reason | undefined;
}

export interface Compensations {
  /** Nothing was begun: there is nothing to undo. */
  isEmpty(): boolean;
  /** Call before the step runs. */
  push(compensation: Compensation): void;
  /** Undoes everything, the newest first, whatever is cancelled meanwhile. */
  undo(listener: CompensationListener): Promise<Undone>;
}

export function compensations(): Compensations {
  const stack: Compensation[] = [];
  return {
    isEmpty: () => stack.length === 0,
    push: (compensation) => {
      stack.push(compensation);
    },
    undo: (listener) =>
      CancellationScope.nonCancellable(async () => {
        for (let next = stack.at(-1); next !== undefined; next = stack.at(-1)) {
          const reason = await insist(next, listener);
          if (reason !== undefined) return { left: stack.map(({ name }) => name).reverse(), reason };
          stack.pop();
          listener.onDone(next.name);
        }
        return { left: [], reason: undefined };
      }),
  };
}

const anythingButHarm = (reason: Reason): boolean => !hopeless.has(reason.type);

/** As long as is usual, or until the target has forgotten that it refused the account. */
export const waitAfter = ({ type }: Reason, usualMs: number): number =>
  type === 'InvalidLogin' ? LOGIN_WAIT_MS : usualMs;

/** Tries until it is done; answers the reason when it never will be, or is not worth waiting for. */
export async function insist(
  compensation: Compensation,
  listener: Pick<CompensationListener, 'onWaiting'>,
  worthWaiting: (reason: Reason) => boolean = anythingButHarm,
): Promise<Reason | undefined> {
  for (let round = 1; ; round++) {
    try {
      await compensation.run();
      return undefined;
    } catch (error) {
      const reason = reasonOf(error, compensation.name);
      if (!worthWaiting(reason) || round === MAX_ROUNDS) return reason;
      const backoffMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(round - 1, 16));
      const waitMs = waitAfter(reason, backoffMs);
      listener.onWaiting(compensation.name, reason, waitMs);
      await sleep(waitMs, { summary: `try again to ${compensation.name}` });
    }
  }
}
