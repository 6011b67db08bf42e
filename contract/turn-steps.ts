// Migrations take turns: so many at a time to one datastore, whichever command began them. What a session asks its site
// for that.
import type { DiskPlan } from './location.ts';
import type { RunningVmInput } from './placement.ts';

/** Unless a worker is told otherwise. vCenter takes two Storage vMotions per host at a time, and would queue the others. */
export const DEFAULT_PARALLEL_MIGRATIONS = 2;
export const MAX_PARALLEL_MIGRATIONS = 64;

/** Of a finalize's plan: where it takes the VM. */
export interface TurnInput extends RunningVmInput {
  readonly plan: {
    readonly datastore: { readonly moref: string; readonly name: string };
    readonly disks?: readonly Pick<DiskPlan, 'datastore'>[] | undefined;
  };
}

export interface TurnActivities {
  /** Returns when the session has its turn at every datastore that the plan takes its VM to. It has it until it is released. */
  awaitTurn(input: TurnInput): Promise<{ readonly waited: boolean }>;
  /** None is done. */
  releaseTurn(input: { readonly sessionId: string }): Promise<void>;
}
