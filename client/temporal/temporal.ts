// The way to Temporal, and what can be told about it before anything is asked: whether it answers, and whether a
// worker listens. Where it is comes from Temporal's own profiles and variables (TEMPORAL_ADDRESS,
// TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, temporal.toml): https://docs.temporal.io/develop/environment-configuration
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, isGrpcServiceError, ServiceError } from '@temporalio/client';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import proto from '@temporalio/proto';
import { siteTaskQueue, WORKFLOW_TASK_QUEUE } from '../../contract/index.ts';
import { ClientError } from '../errors/client-error.ts';
import { refusedUpdates } from './refused-updates.ts';

const DEFAULT_ADDRESS = 'localhost:7233';
const DEFAULT_NAMESPACE = 'default';
const CONNECT_TIMEOUT_MS = 5_000;
/** A worker that was started a moment ago gets this long to begin to listen. */
const WORKER_PATIENCE_MS = 3_000;
const WORKER_POLL_MS = 250;

export interface Temporal extends AsyncDisposable {
  readonly client: Client;
  readonly namespace: string;
  /** `ADDRESS/NAMESPACE`: what people call this Temporal, and what a site's key is remembered under. */
  readonly name: string;
}

function loadSettings(profile: string | undefined): ClientConnectConfig {
  try {
    return loadClientConnectConfig(profile === undefined ? {} : { profile });
  } catch (cause) {
    throw new ClientError('TemporalMisconfigured', `Temporal's settings can't be used: ${String(cause)}`, {
      cause,
      hint: 'See --profile, TEMPORAL_CONFIG_FILE and the TEMPORAL_… variables; `temporal config list` shows them.',
    });
  }
}

/**
 * Connects as the profile says. Throws ClientError TemporalMisconfigured, or TemporalUnreachable after
 * CONNECT_TIMEOUT_MS.
 */
export async function connectTemporal(profile: string | undefined): Promise<Temporal> {
  const settings = loadSettings(profile);
  const { address = DEFAULT_ADDRESS, tls, apiKey, metadata } = settings.connectionOptions;
  const namespace = settings.namespace ?? DEFAULT_NAMESPACE;
  const connection = Connection.lazy({
    address,
    connectTimeout: CONNECT_TIMEOUT_MS,
    ...(tls === undefined ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata }),
  });
  try {
    await connection.ensureConnected();
  } catch (cause) {
    await connection.close();
    throw notConnected(address, cause);
  }
  return {
    client: new Client({ connection, namespace, interceptors: { workflow: [refusedUpdates] } }),
    namespace,
    name: `${address}/${namespace}`,
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** One that answers, and does not want us, is there. */
function notConnected(address: string, cause: unknown): ClientError {
  const refusal = cause instanceof ServiceError && isGrpcServiceError(cause.cause) ? cause.cause : undefined;
  if (refusal !== undefined) {
    const why = refusal.details === '' ? refusal.message : refusal.details;
    return new ClientError('TemporalMisconfigured', `Temporal at ${address} refused this client: ${why}`, {
      cause,
      hint: 'See its certificate and key, or its API key: a profile (--profile), or the TEMPORAL_… variables.',
    });
  }
  return new ClientError('TemporalUnreachable', `Temporal does not answer at ${address}`, {
    cause,
    hint:
      'Start it (for a first try: temporal server start-dev), or say where it is with TEMPORAL_ADDRESS or ' +
      'a profile (--profile). One that wants TLS is silent to whoever comes without (TEMPORAL_TLS), and the other way round.',
  });
}

type QueueKind = 'workflow' | 'activity';

async function hasPollers(temporal: Temporal, queue: string, kind: QueueKind): Promise<boolean> {
  const types = proto.temporal.api.enums.v1.TaskQueueType;
  const answer = await temporal.client.workflowService.describeTaskQueue({
    namespace: temporal.namespace,
    taskQueue: { name: queue },
    taskQueueType: kind === 'workflow' ? types.TASK_QUEUE_TYPE_WORKFLOW : types.TASK_QUEUE_TYPE_ACTIVITY,
  });
  return answer.pollers.length > 0;
}

/**
 * Makes sure that somebody runs Workflows and that the site listens, so that a command fails in words instead of
 * waiting for ever. Temporal remembers a worker for some minutes after its end: who waits needs a limit too.
 * Throws ClientError NoWorker.
 */
export async function requireWorkers(temporal: Temporal, site: string): Promise<void> {
  const queues = [
    { name: WORKFLOW_TASK_QUEUE, kind: 'workflow' },
    { name: siteTaskQueue(site), kind: 'activity' },
  ] as const;
  const deadline = Date.now() + WORKER_PATIENCE_MS;
  for (;;) {
    const heard = await Promise.all(queues.map(({ name, kind }) => hasPollers(temporal, name, kind)));
    const silent = queues.filter((_, index) => heard[index] !== true).map(({ name }) => name);
    if (silent.length === 0) return;
    if (Date.now() >= deadline) {
      throw new ClientError(
        'NoWorker',
        `no worker of site ${site} listens at Temporal ${temporal.name} (Task Queue ${silent.join(', ')})`,
        { hint: `Start it at the site: rundirect worker --site ${site}` },
      );
    }
    await delay(WORKER_POLL_MS);
  }
}
