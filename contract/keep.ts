// Keep: a running session's changes become a job of its backup set, from one moment, while it runs on. What is
// asked, how it goes, what is answered. JSON-safe throughout.
import type { JobSummary } from './vault.ts';

export interface KeepProgress {
  /** Of what may differ from the job that the session runs from. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes written to the vault so far. */
  readonly storedBytes: number;
}

export interface KeepStatus extends KeepProgress {
  /** After each of them but `underWay` the session runs as if nothing had been asked. */
  readonly outcome: 'underWay' | 'done' | 'failed' | 'cancelled';
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** The new job; undefined until it is there. */
  readonly jobId: string | undefined;
  /** Why it failed. */
  readonly failure: { readonly type: string; readonly message: string } | undefined;
}

/** Answered when the job is in the set. */
export interface KeepResult {
  readonly sessionId: string;
  readonly vault: string;
  readonly backupSet: string;
  readonly job: JobSummary;
  /** The moment that the disks show, ISO 8601, UTC: every write that was acknowledged before is in it. */
  readonly at: string;
  readonly baseJobId: string;
  /** How much of the disks was read. */
  readonly readBytes: number;
  readonly durationMs: number;
}

/** Answer of the Update `cancelKeep`; `kept` where the job was made already. */
export interface CancelKeepResult {
  readonly sessionId: string;
  readonly outcome: 'cancelled' | 'failed' | 'kept';
}
