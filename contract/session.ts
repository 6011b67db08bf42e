// A session: what starts it, what it answers, and what can be asked of it. JSON-safe throughout.
import { z } from 'zod';
import { changesPlaceSchema } from './changes.ts';
import { type FinalizeStatus, finalizeRequestSchema } from './finalize.ts';
import type { KeepStatus } from './keep.ts';
import { cardPlacesSchema, identitySchema, type ProductionFolder } from './location.ts';
import {
  backupSetNameSchema,
  MAX_RESERVE_FACTOR,
  MIN_RESERVE_FACTOR,
  sessionIdSchema,
  siteNameSchema,
  vmNameSchema,
} from './names.ts';
import type { HostQuestion } from './question.ts';
import type { RestoreStatus } from './restore.ts';
import { sealedSecretSchema } from './secret.ts';
import { targetSchema } from './target.ts';
import type { Throttle } from './throttle.ts';
import { vaultLocationSchema } from './vault.ts';

export const verifyModeSchema = z.enum(['none', 'beside', 'before']);
export type VerifyMode = z.infer<typeof verifyModeSchema>;

export const startInputSchema = z.object({
  sessionId: sessionIdSchema,
  site: siteNameSchema,
  /** When the person gave the command, milliseconds since 1970: what "seconds to boot" is counted from. */
  commandedAtMs: z.number().int().nonnegative(),
  source: z.object({
    vault: vaultLocationSchema,
    backupSet: backupSetNameSchema,
    /** A job's id, or the newest one. */
    jobId: z.string().min(1),
    vmName: z.string().min(1),
    passphrase: sealedSecretSchema,
  }),
  target: targetSchema,
  placement: z.object({
    /** The VM's name on the target; the name in the backup when absent. */
    name: vmNameSchema.optional(),
    host: z.string().min(1).optional(),
    folder: z.string().min(1).optional(),
    resourcePool: z.string().min(1).optional(),
    /**
     * `disconnected`: every NIC is there, and starts unplugged. `isolated`: every NIC is on the network of the
     * drill that the session belongs to; only a drill's session may be so, and it must be.
     */
    network: z.enum(['original', 'disconnected', 'isolated']),
    /** Cards for which `network` does not hold; none where it is `isolated`. */
    cards: cardPlacesSchema.optional(),
    /** Kept where they are absent. */
    mac: identitySchema.optional(),
    uuid: identitySchema.optional(),
  }),
  powerOn: z.boolean(),
  verify: verifyModeSchema,
  /** How long to wait for the guest's heartbeat before the session says that it did not come; it runs on. */
  guestTimeoutMs: z.number().int().min(0).max(3_600_000),
  /** Absent where changes go to the gateway. */
  changes: changesPlaceSchema.optional(),
  /** Space kept for changes, as a multiple of the provisioned size. */
  reserveFactor: z.number().min(MIN_RESERVE_FACTOR).max(MAX_RESERVE_FACTOR),
  /** How long one step of the start may take, retries and all, before the start is given up and undone. */
  stepTimeoutMs: z.number().int().min(100).max(3_600_000).optional(),
  /** Migrate the VM as soon as it runs. */
  autoMigrate: finalizeRequestSchema.optional(),
});
export type StartInput = z.infer<typeof startInputSchema>;
export const DEFAULT_STEP_TIMEOUT_MS = 120_000;
export const LATEST_JOB = 'latest';

export type SessionState =
  | 'preflight'
  | 'starting'
  | 'running'
  /** On its way to production storage; the guest runs as before. */
  | 'finalizing'
  /** Of a restore: the VM is copied to production storage, and does not run. */
  | 'restoring'
  | 'stopping'
  | 'stopped'
  /** The VM lives on production storage now: it was migrated, and nothing of the session is left. */
  | 'finalized'
  /** The VM was copied to production storage, and nothing of the session is left. */
  | 'restored'
  | 'failed'
  | 'cancelled';

export interface LogEntry {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: 'info' | 'warning' | 'error';
  readonly message: string;
}

export interface VerifyStatus {
  readonly state: 'off' | 'waiting' | 'running' | 'passed' | 'failed';
  readonly checkedBytes: number;
  readonly totalBytes: number;
  /** What is wrong, in words: file, disk and block. */
  readonly findings: readonly string[];
}

/** A VM on a target, as the session knows it. */
export interface RunningVm {
  readonly moref: string;
  readonly name: string;
  readonly hostName: string;
  readonly datastore: string;
}

export interface SessionStatus {
  readonly sessionId: string;
  readonly site: string;
  readonly vmName: string;
  readonly target: string;
  readonly backupSet: string;
  readonly jobId: string;
  readonly state: SessionState;
  /** As a person reads it: it ends with `OK` and 100 per cent. */
  readonly status: 'In progress' | 'OK' | 'Warning' | 'Error';
  readonly progressPercent: number;
  readonly step: string;
  readonly vm: RunningVm | undefined;
  /** Where its disks of changes lie; absent where its changes go to the gateway. */
  readonly changes?: ProductionFolder | undefined;
  /** The heartbeat of the guest since it was powered on: not waited for, waited for, seen, or not in the time given. */
  readonly guest: 'off' | 'awaited' | 'ready' | 'silent';
  readonly powerState: 'poweredOn' | 'poweredOff' | 'suspended' | undefined;
  /** Milliseconds from the command. */
  readonly timings: {
    readonly poweredOnMs?: number;
    readonly guestReadyMs?: number;
    readonly stoppedMs?: number;
  };
  readonly verify: VerifyStatus;
  /** What the host asks about the VM, and waits for somebody to answer; absent where it asks nothing. */
  readonly question?: HostQuestion | undefined;
  /** The last finalize; undefined (and absent) before the first. */
  readonly finalize?: FinalizeStatus | undefined;
  /** The last keep; undefined (and absent) before the first. */
  readonly keep?: KeepStatus | undefined;
  /** How its copy to production is held back; absent where it is not. */
  readonly throttle?: Throttle | undefined;
  /** Of a restore alone. */
  readonly restore?: RestoreStatus | undefined;
  /** The newest last; at most `MAX_LOG_ENTRIES`. */
  readonly log: readonly LogEntry[];
  /** Set when `state` is `failed`. */
  readonly failure: { readonly type: string; readonly message: string } | undefined;
}
export const MAX_LOG_ENTRIES = 200;

/** Why preflight says no, or what a person should know before it goes on. */
export interface PreflightFinding {
  readonly severity: 'error' | 'warning';
  /** Stable, for scripts: `NameTaken`, `NotEnoughSpace`, … */
  readonly code: string;
  /** What was found, on what, and the way out. */
  readonly message: string;
}

/** Argument of the Update `stop`. */
export const stopRequestSchema = z.object({ reason: z.string().max(200).optional() });
export type StopRequest = z.infer<typeof stopRequestSchema>;
/**
 * Answered when everything of the session is gone, and the result of its Workflow. `state` is `stopped`;
 * `finalized` when somebody had migrated the VM, which was not touched; `cancelled` when it was still starting.
 */
export interface StopResult {
  readonly sessionId: string;
  readonly state: SessionState;
}

/** Names of the session's messages. */
export const SessionMessage = {
  status: 'status',
  answer: 'answer',
  stop: 'stop',
  finalize: 'finalize',
  cancelFinalize: 'cancelFinalize',
  keep: 'keep',
  cancelKeep: 'cancelKeep',
  throttle: 'throttle',
  makeRoom: 'makeRoom',
} as const;
