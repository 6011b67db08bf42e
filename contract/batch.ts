// A batch: several VMs of one backup set that are run by one command, each as a session of its own. Here are its
// names, its input and its answers; JSON-safe throughout.
//
// Names. A batch is called by its Workflow Id, `nightly-k3v9q2m4xa`; its sessions are `nightly-k3v9q2m4xa-1`, `…-2`,
// in the order of the command. They are ordinary sessions: each has its own input, with secrets sealed for it alone,
// and can be shown, finalized and stopped by its own id.
import { z } from 'zod';
import { type FinalizeRequest, finalizeRequestSchema } from './finalize.ts';
import { sessionIdSchema, siteNameSchema } from './names.ts';
import { sealedSecretSchema } from './secret.ts';
import { type LogEntry, type SessionState, type SessionStatus, startInputSchema } from './session.ts';
import { targetSubject } from './target.ts';

/** As many as one backup job holds. */
export const MAX_BATCH_VMS = 64;
/** From a session's preflight until its VM is powered on. */
export const MAX_PARALLEL_STARTS = 8;

/** Short enough for a session's id with the VM's number in it. */
export const batchIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,44}$/, "a batch's id has up to 45 of a-z, 0-9 and -, not starting with -");

/** @param place counts a batch's VMs from 1. */
export const batchSessionId = (batchId: string, place: number): string => `${batchId}-${place}`;

export const batchInputSchema = z
  .object({
    batchId: batchIdSchema,
    site: siteNameSchema,
    /** Sealed for the batch itself, whose preflight looks at all VMs at once. */
    passphrase: sealedSecretSchema,
    password: sealedSecretSchema,
    /** What each session is started with; the batch itself migrates, so none of them does. */
    sessions: z.array(startInputSchema).min(1).max(MAX_BATCH_VMS),
    /** Migrate each VM when it runs. */
    autoMigrate: finalizeRequestSchema.optional(),
  })
  .superRefine(({ batchId, site, sessions }, context) => {
    const [first] = sessions;
    for (const [index, { sessionId, source, target, ...session }] of sessions.entries()) {
      const isOne =
        sessionId === batchSessionId(batchId, index + 1) &&
        session.site === site &&
        session.autoMigrate === undefined &&
        source.vault === first?.source.vault &&
        source.backupSet === first.source.backupSet &&
        targetSubject(target) === targetSubject(first.target) &&
        target.fingerprint === first.target.fingerprint;
      if (isOne) continue;
      const message = 'the sessions of a batch have its ids, its site, one backup set and one target';
      context.addIssue({ code: 'custom', path: ['sessions', index], message });
    }
    const names = sessions.map(({ placement, source }) => placement.name ?? source.vmName);
    for (const twice of new Set(names.filter((name, index) => names.indexOf(name) !== index))) {
      context.addIssue({ code: 'custom', path: ['vm'], message: `${twice} is asked for twice` });
    }
  });
export type BatchInput = z.infer<typeof batchInputSchema>;

/**
 * `waiting`: for its turn to start. `notStarted`: its preflight found something, or a stop came before its turn; there
 * is no such session. `terminated`: somebody ended its Workflow in Temporal, so that nothing of it was undone.
 */
export type BatchVmState = 'waiting' | 'notStarted' | 'terminated' | SessionState;

/** One VM of a batch, as its session last told. */
export interface BatchVm
  extends Pick<SessionStatus, 'sessionId' | 'guest' | 'powerState' | 'vm' | 'timings'> {
  /** On the target. */
  readonly vmName: string;
  readonly jobId: string;
  readonly state: BatchVmState;
  /** Of a migration that the batch has asked for: one that is `waiting` has its turn when another is done. */
  readonly migration: 'waiting' | 'underWay' | undefined;
  /** Why it is not where it was wanted: not started, not migrated, not stopped. */
  readonly failure: SessionStatus['failure'];
}

export type BatchState = 'preflight' | 'starting' | 'running' | 'ended' | 'failed';

export interface BatchStatus {
  readonly batchId: string;
  readonly site: string;
  readonly target: string;
  readonly backupSet: string;
  /** `running`: nothing is being started any more. `ended`: so have all sessions, each in its way. */
  readonly state: BatchState;
  readonly vms: readonly BatchVm[];
  /** The newest last; at most `MAX_LOG_ENTRIES`. */
  readonly log: readonly LogEntry[];
  /** Set when `state` is `failed`: nothing was started. */
  readonly failure: SessionStatus['failure'];
}

/** Result of the Workflow, when all sessions have ended. */
export interface BatchResult {
  readonly batchId: string;
  readonly vms: readonly BatchVm[];
}

const only = {
  /** Of these sessions; of all that there are when absent. */
  only: z.array(sessionIdSchema).min(1).max(MAX_BATCH_VMS).optional(),
};
/** Argument of the Update `stop`. */
export const batchStopRequestSchema = z.object({ reason: z.string().max(200).optional(), ...only });
export type BatchStopRequest = z.infer<typeof batchStopRequestSchema>;
/** Argument of the Update `finalize`. */
export const batchFinalizeRequestSchema = z.object({ request: finalizeRequestSchema, ...only });
export interface BatchFinalizeRequest extends z.infer<typeof batchFinalizeRequestSchema> {
  readonly request: FinalizeRequest;
}

/** Answer of each Update: what became of those that were asked. Each one's `failure` says what it refused. */
export type BatchAnswer = BatchResult;

/** Names of a batch's messages; the Query `status` answers `BatchStatus`. */
export const BatchMessage = {
  status: 'status',
  stop: 'stop',
  finalize: 'finalize',
  cancelFinalize: 'cancelFinalize',
} as const;

const over: ReadonlySet<BatchVmState> = new Set<BatchVmState>([
  'notStarted',
  'terminated',
  'stopped',
  'finalized',
  'failed',
  'cancelled',
]);
/** There is no such session any more, or there never was. */
export const vmIsOver = ({ state }: Pick<BatchVm, 'state'>): boolean => over.has(state);
