// Throttle and pause: a copy to production is held back at the gateway, which serves what is copied. Only where no
// guest reads it meanwhile: a restore, and a cold finalize while the VM is off. JSON-safe throughout.
import { z } from 'zod';

/** A host asks for up to a mebibyte at a time: slower than this, one answer would take longer than hosts wait. */
const MIN_BYTES_PER_SECOND = 64 * 1024;
const MAX_BYTES_PER_SECOND = 1024 ** 4;

export const rateSchema = z
  .number()
  .int()
  .min(MIN_BYTES_PER_SECOND, 'a rate is 64KiB/s at the least')
  .max(MAX_BYTES_PER_SECOND, 'a rate is 1TiB/s at the most');

/** Argument of the Update `throttle`: what is absent stays as it is. */
export const throttleRequestSchema = z.object({
  /** Null lifts the limit. */
  bytesPerSecond: rateSchema.nullable().optional(),
  paused: z.boolean().optional(),
});
export type ThrottleRequest = z.infer<typeof throttleRequestSchema>;

/** How a copy is held back. */
export interface Throttle {
  /** What it reads at the most, of all its disks together; undefined: as fast as it can. */
  readonly bytesPerSecond?: number | undefined;
  /** It reads nothing, whatever the limit. */
  readonly paused: boolean;
}
export const throttleSchema: z.ZodType<Throttle> = z.object({
  bytesPerSecond: z.number().optional(),
  paused: z.boolean(),
});

/** Answer of the Update `throttle`. */
export interface ThrottleResult {
  readonly sessionId: string;
  readonly throttle: Throttle;
}

/** Memo of a Workflow whose copy is held back: a `Throttle`. */
export const THROTTLE_MEMO = 'throttle';

export interface LimitReadsInput {
  readonly sessionId: string;
  /** 0: nothing is read. */
  readonly bytesPerSecond: number;
}

export interface ThrottleActivities {
  /** The gateway holds back the READs of the session's disks from then on, through its restarts. */
  limitReads(input: LimitReadsInput): Promise<void>;
  /** It holds back none any more. None is done, and so is no export. */
  liftReadLimit(input: Pick<LimitReadsInput, 'sessionId'>): Promise<void>;
}
