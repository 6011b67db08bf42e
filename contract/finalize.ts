// Finalize: a session's VM goes to a permanent place while it runs, and the session ends. What is asked, how it
// goes, what is answered. JSON-safe throughout.
import { z } from 'zod';
import { cardPlacesSchema, diskPlacesSchema } from './location.ts';
import { vmNameSchema } from './names.ts';
import { rateSchema } from './throttle.ts';

/**
 * How the VM may be migrated. `live`: the target does it while the guest runs. `short-outage`: its disks are copied
 * while it runs, and it is away for as long as it takes to suspend and resume. `cold`: it is off meanwhile. `auto`: the
 * first of these that the VM and the target allow, cold only for a VM that is off; the others: that way and no other.
 */
export const vmotionSchema = z.enum(['auto', 'live', 'short-outage', 'cold']);
export type Vmotion = z.infer<typeof vmotionSchema>;

/** For a short outage: the guest is suspended unless it is to be shut down; where it can't be, it is shut down, too. */
export const guestAwaySchema = z.enum(['suspend', 'shutDown']);
export type GuestAway = z.infer<typeof guestAwaySchema>;

/** Argument of the Update `finalize`, and what `start` takes to migrate by itself. Names as the target shows them. */
export const finalizeRequestSchema = z.object({
  /** Where the configuration and every disk that `disks` does not name go; the original's where it takes its place. */
  datastore: z.string().min(1).max(80).optional(),
  vmotion: vmotionSchema,
  guestAway: guestAwaySchema.optional(),
  /** A host, or a cluster; stays where it is unless one is named. */
  host: z.string().min(1).max(255).optional(),
  folder: z.string().min(1).max(1_000).optional(),
  resourcePool: z.string().min(1).max(1_000).optional(),
  /** The VM's name from then on. */
  name: vmNameSchema.optional(),
  disks: diskPlacesSchema.optional(),
  /** As they are unless named. */
  cards: cardPlacesSchema.optional(),
  /** `original`: it takes the place of the VM that the backup was made of; what is named beside it holds instead. */
  location: z.enum(['original']).optional(),
  /** The VM whose place it is, by its name or reference, where the backup's UUIDs do not tell it. */
  original: vmNameSchema.optional(),
  /** Consent to power the original off, where it runs. */
  powerOffOriginal: z.boolean().optional(),
  /** Delete the original once the new VM is proven; it is kept under another name otherwise. */
  removeOriginal: z.boolean().optional(),
  /** Remove files that lie where the VM goes, under its name, and that no VM uses. */
  overwrite: z.boolean().optional(),
  /** What the copying reads at the most, bytes a second; the VM must be off meanwhile. */
  throttle: rateSchema.optional(),
});
export type FinalizeRequest = z.infer<typeof finalizeRequestSchema>;

/**
 * `live`: the guest ran all the time. `shortOutage`: it was suspended, or restarted, between two places. `cold`: the VM
 * was off while its disks moved. `byHand`: somebody migrated it in the vSphere Client.
 */
export type FinalizeMode = 'live' | 'shortOutage' | 'cold' | 'byHand';

export interface FinalizeStatus {
  /** `failed` and `cancelled` leave the VM where it was, with every change; finalize can be asked for again. */
  readonly outcome: 'underWay' | 'done' | 'failed' | 'cancelled';
  /** Undefined until preflight has chosen. */
  readonly mode: FinalizeMode | undefined;
  /** Undefined where somebody else chose it. */
  readonly datastore: string | undefined;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Of the migration, or of the copying, as the target tells it. */
  readonly percent: number;
  /** Provisioned size of the disks; undefined where it is not known. */
  readonly totalBytes: number | undefined;
  /** Of the provisioned size, reckoned from the percentage; undefined until it has moved. */
  readonly bytesPerSecond: number | undefined;
  readonly leftMs: number | undefined;
  /** From the request to the end of the clean-up; undefined until then. */
  readonly durationMs: number | undefined;
  /** How long the guest was suspended or down for it; undefined where it was off or nobody measured. */
  readonly guestAwayMs: number | undefined;
  /** Sessions whose migrations come before its own; absent where it does not wait for its turn. */
  readonly waitsFor?: readonly string[] | undefined;
  /** Why it failed. */
  readonly failure: { readonly type: string; readonly message: string } | undefined;
  /** The VM whose place it takes; absent where it takes none. */
  readonly original?: OriginalStatus | undefined;
}

/** What becomes of the VM whose place a session's VM takes. */
export interface OriginalStatus {
  readonly name: string;
  /** `givenBack`: it has its name again, and its power state. */
  readonly state: 'standing' | 'setAside' | 'givenBack' | 'removed';
  /** Its name now; undefined when it is removed. */
  readonly standsAs: string | undefined;
}

/** Answered when the VM is in production and nothing of the session is left. */
export interface FinalizeResult {
  readonly sessionId: string;
  readonly state: 'finalized';
  readonly mode: FinalizeMode;
  /** Undefined where somebody else chose it. */
  readonly datastore: string | undefined;
  readonly movedBytes: number | undefined;
  readonly durationMs: number;
  readonly guestAwayMs: number | undefined;
  /** Absent where it took nobody's place. */
  readonly original?: OriginalStatus | undefined;
}

/** Answer of the Update `cancelFinalize`: `running` again, or `finalized` where the migration was done already. */
export interface CancelFinalizeResult {
  readonly sessionId: string;
  readonly state: 'running' | 'finalized';
}
