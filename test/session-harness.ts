// Runs the real Workflows on a Temporal server of its own, against a world in memory.
import {
  WorkflowFailedError,
  type WorkflowHandleWithFirstExecutionRunId,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import {
  type CancelFinalizeResult,
  type CancelKeepResult,
  type FinalizeRequest,
  type FinalizeResult,
  type KeepResult,
  SessionMessage,
  type SessionState,
  type SessionStatus,
  type SiteActivities,
  type StartInput,
  type StopResult,
  siteTaskQueue,
  type ThrottleRequest,
  type ThrottleResult,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../contract/index.ts';
import { loadWorkflowBundle } from '../worker/workflow-bundle.ts';
import type { FakeWorld } from './fake-world.ts';
import { eventually, startTemporal } from './temporal.ts';

export interface TestSession {
  readonly handle: WorkflowHandleWithFirstExecutionRunId;
  status(): Promise<SessionStatus>;
  stop(): Promise<StopResult>;
  /** To datastore `prod`, as the VM and the target allow, unless the request says otherwise. */
  finalize(request?: Partial<FinalizeRequest>): Promise<FinalizeResult>;
  cancelFinalize(): Promise<CancelFinalizeResult>;
  keep(): Promise<KeepResult>;
  cancelKeep(): Promise<CancelKeepResult>;
  throttle(request: ThrottleRequest): Promise<ThrottleResult>;
  untilState(state: SessionState): Promise<SessionStatus>;
}

export type SessionInput = Pick<StartInput, 'sessionId' | 'site'>;
export type SessionWorkflow = 'runDirect' | 'restore' | 'restoreDisk' | 'browse';

export interface SessionHarness {
  readonly temporal: TestWorkflowEnvironment;
  /** Starts a session on a site of its own, whose steps act on `world`; the site is gone afterwards. */
  withSession<T>(
    input: SessionInput,
    world: Pick<FakeWorld, 'activities'>,
    body: (session: TestSession) => Promise<T>,
    type?: SessionWorkflow,
  ): Promise<T>;
  close(): Promise<void>;
}

/** @param dynamicConfig are settings of the server. */
export async function openSessionHarness(dynamicConfig: readonly string[] = []): Promise<SessionHarness> {
  const [temporal, workflowBundle] = await Promise.all([startTemporal(dynamicConfig), loadWorkflowBundle()]);
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue: WORKFLOW_TASK_QUEUE,
    workflowBundle,
  });
  const run = worker.run();
  return {
    temporal,
    withSession: (input, { activities }, body, type = WorkflowType.runDirect) =>
      atSite(temporal, input.site, activities, async () => body(await startSession(temporal, input, type))),
    close: async () => {
      worker.shutdown();
      await run;
      await temporal.teardown();
    },
  };
}

/** A site whose steps are these, gone when `body` has ended. */
export async function atSite<T>(
  temporal: TestWorkflowEnvironment,
  site: string,
  activities: SiteActivities,
  body: () => Promise<T>,
): Promise<T> {
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue: siteTaskQueue(site),
    activities: { ...activities },
    shutdownGraceTime: 0,
    shutdownForceTime: '2s',
    maxHeartbeatThrottleInterval: '100ms',
    defaultHeartbeatThrottleInterval: '100ms',
  });
  return worker.runUntil(body);
}

async function startSession(
  temporal: TestWorkflowEnvironment,
  input: SessionInput,
  type: SessionWorkflow,
): Promise<TestSession> {
  const handle = await temporal.client.workflow.start(type, {
    taskQueue: WORKFLOW_TASK_QUEUE,
    workflowId: input.sessionId,
    args: [input],
  });
  // The session may go on in a new run.
  const session = temporal.client.workflow.getHandle(input.sessionId);
  const status = (): Promise<SessionStatus> => session.query<SessionStatus>(SessionMessage.status);
  return {
    handle,
    status,
    stop: () => session.executeUpdate<StopResult, [object]>(SessionMessage.stop, { args: [{}] }),
    finalize: (request = {}) =>
      session.executeUpdate<FinalizeResult, [FinalizeRequest]>(SessionMessage.finalize, {
        args: [{ datastore: 'prod', vmotion: 'auto', ...request }],
      }),
    cancelFinalize: () => session.executeUpdate<CancelFinalizeResult, []>(SessionMessage.cancelFinalize),
    keep: () => session.executeUpdate<KeepResult, []>(SessionMessage.keep),
    cancelKeep: () => session.executeUpdate<CancelKeepResult, []>(SessionMessage.cancelKeep),
    throttle: (request) =>
      session.executeUpdate<ThrottleResult, [ThrottleRequest]>(SessionMessage.throttle, { args: [request] }),
    untilState: (state) =>
      eventually(`state ${state}`, async () => {
        const now = await status();
        return now.state === state ? now : undefined;
      }),
  };
}

let sessions = 0;
const sealed = { version: 1 as const, sealedTo: 'SHA256:x', ephemeralKey: 'x', ciphertext: 'x' };

/** A start on a site that no other test has. */
export function startInput(changes: Partial<StartInput> = {}): StartInput {
  sessions += 1;
  return {
    sessionId: `web01-${sessions}`,
    site: `t${sessions}`,
    commandedAtMs: Date.now(),
    source: { vault: '/vault', backupSet: 'web', jobId: 'latest', vmName: 'web01', passphrase: sealed },
    target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
    placement: { network: 'original' },
    powerOn: true,
    verify: 'none',
    guestTimeoutMs: 1_000,
    reserveFactor: 1.5,
    stepTimeoutMs: 10_000,
    ...changes,
  };
}

/** What it fails with, as its Workflow said it: Temporal's wrapping is taken off. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    const isWrapped = error instanceof WorkflowFailedError || error instanceof WorkflowUpdateFailedError;
    return isWrapped ? error.cause : error;
  }
  throw new Error('it did not fail');
}
