// Runs the worker: Workflows on the Task Queue `rundirect`, the site's Activities on `site-NAME`, in one process.
// A branch's worker can run its Activities alone. It ends by SIGTERM or SIGINT: steps that take longer than a
// moment are cancelled and go to the next worker; they are made for that.
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { type SiteActivities, siteTaskQueue, WORKFLOW_TASK_QUEUE } from '../contract/index.ts';
import type { TemporalSettings } from './config.ts';
import { requireNamespace } from './require-namespace.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { loadWorkflowBundle } from './workflow-bundle.ts';

/** Every running session holds one for its watch. */
const MAX_CONCURRENT_STEPS = 1_000;
/** How long a cancel may take to reach a step. */
const HEARTBEAT_THROTTLE = '2s';
const SHUTDOWN_GRACE = '3s';
const SHUTDOWN_FORCE = '10s';
/** A Workflow that a dead worker had in memory goes to another one, of any site, after this long; somebody waits. */
const STICKY_TIMEOUT = '3s';
const MAX_RECONNECT_WAIT_MS = 15_000;

export interface WorkerRun {
  readonly site: string;
  readonly temporal: TemporalSettings;
  readonly activities: SiteActivities;
  readonly activitiesOnly: boolean;
  readonly log: Logger;
  readonly onReady: (taskQueues: readonly string[]) => void;
  /** Ends waiting for a Temporal that does not answer. */
  readonly signal: AbortSignal;
}

/** Resolves when the worker was told to end, and has. */
export async function runWorker(run: WorkerRun): Promise<void> {
  const connection = await connectWhenThere(run);
  if (connection === undefined) return;
  try {
    await prepareNamespace(run);
    const workers = await createWorkers(run, connection);
    run.onReady(workers.map(({ options: { taskQueue } }) => taskQueue));
    await runAll(workers, run.signal);
  } finally {
    await connection.close();
  }
}

/** A worker may be started before its Temporal, and outlive it. */
async function connectWhenThere({ temporal, log, signal }: WorkerRun): Promise<NativeConnection | undefined> {
  const { namespace, ...options } = temporal;
  for (let waitMs = 1_000; !signal.aborted; waitMs = Math.min(2 * waitMs, MAX_RECONNECT_WAIT_MS)) {
    try {
      return await NativeConnection.connect(options);
    } catch (error) {
      const seconds = waitMs / 1_000;
      log.warn(
        { error },
        `Temporal does not answer at ${temporal.address} (namespace ${namespace}); tries again in ${seconds} s`,
      );
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}

async function prepareNamespace({ temporal, activitiesOnly, log }: WorkerRun): Promise<void> {
  const { namespace, address, tls, apiKey, metadata } = temporal;
  const connection = await Connection.connect({
    address,
    ...(tls === undefined ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata }),
  });
  try {
    await requireNamespace(connection, { address, namespace });
    if (activitiesOnly) return;
    const outcome = await ensureSearchAttributes(connection, namespace);
    if (outcome.kind === 'registered') log.info('registered the search attributes of sessions');
    if (outcome.kind === 'unknown') {
      const { why, command } = outcome;
      log.warn(
        `can't see whether search attributes are registered (${why}). If sessions hang, run: ${command}`,
      );
    }
  } finally {
    await connection.close();
  }
}

async function createWorkers(
  { site, temporal, activities, activitiesOnly }: WorkerRun,
  connection: NativeConnection,
): Promise<readonly Worker[]> {
  const common = {
    connection,
    namespace: temporal.namespace,
    shutdownGraceTime: SHUTDOWN_GRACE,
    shutdownForceTime: SHUTDOWN_FORCE,
  } as const;
  const ofSite = await Worker.create({
    ...common,
    taskQueue: siteTaskQueue(site),
    activities: { ...activities },
    maxConcurrentActivityTaskExecutions: MAX_CONCURRENT_STEPS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
  });
  if (activitiesOnly) return [ofSite];
  const ofWorkflows = await Worker.create({
    ...common,
    taskQueue: WORKFLOW_TASK_QUEUE,
    workflowBundle: await loadWorkflowBundle(),
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
  });
  return [ofWorkflows, ofSite];
}

/** One that fails takes the others with it, so that nobody sees half a worker. */
async function runAll(workers: readonly Worker[], signal: AbortSignal): Promise<void> {
  const stop = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  signal.addEventListener('abort', stop, { once: true });
  const runs = workers.map((worker) =>
    worker.run().catch((error: unknown) => {
      stop();
      throw error;
    }),
  );
  if (signal.aborted) stop();
  const results = await Promise.allSettled(runs);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
