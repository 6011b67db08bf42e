// Runs the real Workflow of a batch, and its sessions, against a world in memory.
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  type BatchAnswer,
  type BatchFinalizeRequest,
  type BatchInput,
  BatchMessage,
  type BatchResult,
  type BatchStatus,
  type BatchStopRequest,
  batchSessionId,
  type SiteActivities,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../contract/index.ts';
import { atSite, startInput } from './session-harness.ts';
import { eventually } from './temporal.ts';

const sealed = { version: 1 as const, sealedTo: 'SHA256:x', ephemeralKey: 'x', ciphertext: 'x' };
let batches = 0;

/** Every session is a Workflow with a dozen steps, and the machine may be busy. */
const LIMIT_MS = 60_000;

/** A batch on a site that no other test has. */
export function batchInput(vms: readonly string[], changes: Partial<BatchInput> = {}): BatchInput {
  batches += 1;
  const batchId = `nightly-${batches}`;
  const site = `b${batches}`;
  const sessions = vms.map((vmName, index) => {
    const session = startInput({ site });
    const sessionId = batchSessionId(batchId, index + 1);
    return { ...session, sessionId, source: { ...session.source, vmName } };
  });
  return { batchId, site, passphrase: sealed, password: sealed, sessions, ...changes };
}

type Batch = (input: BatchInput) => Promise<BatchResult>;

export interface TestBatch {
  readonly handle: WorkflowHandleWithFirstExecutionRunId<Batch>;
  /** Of all runs of the Workflow. */
  result(): Promise<BatchResult>;
  status(): Promise<BatchStatus>;
  states(): Promise<string[]>;
  stop(request?: BatchStopRequest): Promise<BatchAnswer>;
  finalize(only?: string[]): Promise<BatchAnswer>;
  until(what: string, probe: (status: BatchStatus) => boolean): Promise<BatchStatus>;
}

/** Starts a batch on its site, whose steps are these; the site is gone afterwards. */
export async function withBatch<T>(
  temporal: TestWorkflowEnvironment,
  input: BatchInput,
  activities: SiteActivities,
  body: (batch: TestBatch) => Promise<T>,
): Promise<T> {
  return atSite(temporal, input.site, activities, async () => body(await startBatch(temporal, input)));
}

async function startBatch(temporal: TestWorkflowEnvironment, input: BatchInput): Promise<TestBatch> {
  const handle = await temporal.client.workflow.start<Batch>(WorkflowType.batch, {
    taskQueue: WORKFLOW_TASK_QUEUE,
    workflowId: input.batchId,
    args: [input],
  });
  // It may go on in a new run.
  const latest = temporal.client.workflow.getHandle<Batch>(input.batchId);
  const status = (): Promise<BatchStatus> => latest.query<BatchStatus>(BatchMessage.status);
  return {
    handle,
    result: () => latest.result(),
    status,
    states: async () => (await status()).vms.map(({ state }) => state),
    stop: (request = {}) =>
      latest.executeUpdate<BatchAnswer, [BatchStopRequest]>(BatchMessage.stop, { args: [request] }),
    finalize: (only) =>
      latest.executeUpdate<BatchAnswer, [BatchFinalizeRequest]>(BatchMessage.finalize, {
        args: [{ request: { datastore: 'prod', vmotion: 'auto' }, ...(only === undefined ? {} : { only }) }],
      }),
    until: (what, probe) =>
      eventually(
        what,
        async () => {
          const now = await status();
          return probe(now) ? now : undefined;
        },
        LIMIT_MS,
      ),
  };
}

/** All that could be started run, and their guests are up. */
export const isUp = ({ state, vms }: BatchStatus): boolean =>
  state === 'running' && vms.every((vm) => vm.state !== 'running' || vm.guest === 'ready');
export const statesOf = ({ vms }: Pick<BatchStatus, 'vms'>): string[] => vms.map(({ state }) => state);
