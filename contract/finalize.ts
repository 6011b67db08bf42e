// Finalize: a session's VM goes to a permanent place while it runs, and the session ends. What is asked, how it
// goes, what is answered. JSON-safe throughout.
import { z } from 'zod';

/** How the VM may be migrated: as its power state and the target allow, or live and no other way. */
export const vmotionSchema = z.enum(['auto', 'live']);
export type Vmotion = z.infer<typeof vmotionSchema>;

/** Argument of the Update `finalize`, and what `start` takes to migrate by itself. Names as the target shows them. */
export const finalizeRequestSchema = z.object({
  /** Where every disk and the configuration go. */
  datastore: z.string().min(1).max(80),
  vmotion: vmotionSchema,
  /** Stays where it is unless one is named. */
  host: z.string().min(1).max(255).optional(),
  folder: z.string().min(1).max(1_000).optional(),
  resourcePool: z.string().min(1).max(1_000).optional(),
});
export type FinalizeRequest = z.infer<typeof finalizeRequestSchema>;

/**
 * `live`: the guest ran all the time. `cold`: the VM was powered off and the target moved its files. `byHand`:
 * somebody migrated it in the vSphere Client.
 */
export type FinalizeMode = 'live' | 'cold' | 'byHand';

export interface FinalizeStatus {
  /** `failed` and `cancelled` leave the VM where it was, with every change; finalize can be asked for again. */
  readonly outcome: 'underWay' | 'done' | 'failed' | 'cancelled';
  /** Undefined until preflight has chosen. */
  readonly mode: FinalizeMode | undefined;
  /** Undefined where somebody else chose it. */
  readonly datastore: string | undefined;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Of the migration, as the target tells it. */
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
  /** Why it failed. */
  readonly failure: { readonly type: string; readonly message: string } | undefined;
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
}

/** Answer of the Update `cancelFinalize`: `running` again, or `finalized` where the migration was done already. */
export interface CancelFinalizeResult {
  readonly sessionId: string;
  readonly state: 'running' | 'finalized';
}
