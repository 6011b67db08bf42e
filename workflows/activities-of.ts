// The site's Activities, with the patience that each kind of step deserves. Whether a failure is retried is
// decided by the failure itself (contract/failure-type.ts); here is only how long and how often.

import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import { failurePolicies, type SiteActivities, siteTaskQueue } from '../contract/index.ts';

/** A worker that died is noticed after this long, and its step goes to the next one. */
const HEARTBEAT_TIMEOUT = '15s';
/** A cancel arrives with a heartbeat, and somebody waits for it while the target moves on. */
const MIGRATION_HEARTBEAT_TIMEOUT = '8s';
/** Transient failures come back quickly at first: somebody waits. */
const quickRetry = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' } as const;

/** One round of an undoing step: few attempts, so that a person soon reads what it waits for. */
const UNDO_ATTEMPTS = 3;
const UNDO_ATTEMPT_TIMEOUT = '2m';
const UNDO_ROUND_TIMEOUT = '5m';
const WATCH_ROUND = '6h';
const PROVE_STEP_TIMEOUT = '5m';
const PROVE_ATTEMPTS = 3;
/** A handful of primitives, each with its own limit. */
const TRYING_STEP_TIMEOUT = '15m';
/** What a dead worker left behind lies on somebody's host until it is noticed. */
const TRYING_HEARTBEAT_TIMEOUT = '5s';
/** A verify or a backup of many terabytes takes days. */
const LONG_STEP = '14d';

type Proxy = ReturnType<typeof proxyActivities<SiteActivities>>;

function proxyOf(site: string, options: Omit<ActivityOptions, 'taskQueue'>): Proxy {
  return proxyActivities<SiteActivities>({ taskQueue: siteTaskQueue(site), ...options });
}

/**
 * Steps of a start: a dead target ends in a clear failure after `timeoutMs`, not after hours. A cancelled step
 * is waited for, so that what undoes it never runs beside it.
 */
export const startSteps = (site: string, timeoutMs: number): Proxy =>
  proxyOf(site, {
    scheduleToCloseTimeout: timeoutMs,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: quickRetry,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });

/** `compensation.ts` adds rounds, for days. */
export const undoSteps = (site: string): Proxy =>
  proxyOf(site, {
    startToCloseTimeout: UNDO_ATTEMPT_TIMEOUT,
    scheduleToCloseTimeout: UNDO_ROUND_TIMEOUT,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, maximumAttempts: UNDO_ATTEMPTS },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });

/** Reads for hours and changes nothing outside: when it is cancelled, nobody waits for it. */
export const longSteps = (site: string): Proxy =>
  proxyOf(site, {
    startToCloseTimeout: LONG_STEP,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, maximumInterval: '1m' },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  });

/**
 * The target's own long work: whatever happens to a worker, the next one goes on with it. A cancelled step is
 * waited for, so that what ends the work at the target never runs beside what may begin it.
 */
export const migrationSteps = (site: string): Proxy =>
  proxyOf(site, {
    startToCloseTimeout: LONG_STEP,
    heartbeatTimeout: MIGRATION_HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, maximumInterval: '1m' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });

/** A guest is away meanwhile: a worker that died is noticed sooner than elsewhere. Cancelled, it is waited for. */
export const outageSteps = (site: string, timeoutMs: number): Proxy =>
  proxyOf(site, {
    scheduleToCloseTimeout: timeoutMs,
    heartbeatTimeout: MIGRATION_HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, maximumInterval: '2s' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });

/** As undoing, of work that takes the target as long as there is data: a merge, a resume. */
export const longUndoSteps = (site: string): Proxy =>
  proxyOf(site, {
    startToCloseTimeout: LONG_STEP,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, maximumAttempts: UNDO_ATTEMPTS },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });

export const watchSteps = (site: string): Proxy =>
  proxyOf(site, {
    startToCloseTimeout: WATCH_ROUND,
    heartbeatTimeout: '60s',
    retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '1m' },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  });

/**
 * A question that somebody waits for at a terminal. That something can't be reached is an answer, too, and who
 * asked may ask again; only a worker that dies with the question in its hands has it asked again.
 */
export const shortSteps = (site: string): Proxy =>
  proxyOf(site, {
    scheduleToCloseTimeout: '30s',
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, nonRetryableErrorTypes: Object.keys(failurePolicies) },
  });

/** A step of a proof that may be repeated: what a host refuses is told soon, a worker that dies costs an attempt. */
export const proveSteps = (site: string): Proxy =>
  proxyOf(site, {
    scheduleToCloseTimeout: PROVE_STEP_TIMEOUT,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, maximumAttempts: PROVE_ATTEMPTS },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });

/** A step that tries things at a host, once: where it breaks off, its whole round is begun anew. */
export const tryingSteps = (site: string): Proxy =>
  proxyOf(site, {
    scheduleToCloseTimeout: TRYING_STEP_TIMEOUT,
    heartbeatTimeout: TRYING_HEARTBEAT_TIMEOUT,
    retry: { maximumAttempts: 1 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });

/**
 * A backup writes its job at the very end: cancelled, it must have cleaned up before the Workflow ends. It does not wait
 * for space: each attempt reads and writes all of it anew.
 */
export const backupSteps = (site: string): Proxy =>
  proxyOf(site, {
    startToCloseTimeout: LONG_STEP,
    scheduleToStartTimeout: '2m',
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    retry: { ...quickRetry, maximumAttempts: 20, nonRetryableErrorTypes: ['StorageFull'] },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
