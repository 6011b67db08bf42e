// Migrations take turns: so many at a time to one datastore, whichever command began them. What a session asks its site
// for that.
import type { MigrateVmInput } from './activities.ts';

/** Unless a worker is told otherwise. vCenter takes two Storage vMotions per host at a time, and would queue the others. */
export const DEFAULT_PARALLEL_MIGRATIONS = 2;
export const MAX_PARALLEL_MIGRATIONS = 64;

export interface TurnActivities {
  /** Returns when the session has its turn at every datastore that the plan takes its VM to. It has it until it is released. */
  awaitTurn(input: MigrateVmInput): Promise<{ readonly waited: boolean }>;
  /** None is done. */
  releaseTurn(input: { readonly sessionId: string }): Promise<void>;
}
