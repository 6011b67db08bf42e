// Several VMs of one backup set, run by one command: a session for each, as a child Workflow. The Workflow Id is the
// batch's id.
//
//   preflight of all → sessions, so many at a time → (migrations, so many at a time) → until all have ended
//
// What all need and is not there ends the batch before anything is touched. What one VM lacks is that VM's failure
// alone: the others run. A session is its own: it lives on whatever becomes of the batch, which is there to begin
// many, to have migrations take turns, and to be asked about all of them.
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { z } from 'zod';
import {
  type BatchAnswer,
  type BatchFinalizeRequest,
  type BatchInput,
  BatchMessage,
  type BatchResult,
  type BatchStatus,
  type BatchStopRequest,
  batchFinalizeRequestSchema,
  batchInputSchema,
  batchStopRequestSchema,
  DEFAULT_STEP_TIMEOUT_MS,
  MAX_PARALLEL_STARTS,
  SESSION_NEWS_SIGNAL,
  type SessionNews,
  type StartInput,
  vmIsOver,
} from '../../contract/index.ts';
import { startSteps } from '../activities-of.ts';
import { rejection } from '../desk.ts';
import { failureFrom, reasonOf, sentence } from '../failure.ts';
import { openTurns } from '../turns.ts';
import { type BatchOrders, openBatchOrders } from './batch-orders.ts';
import { batchRecord } from './batch-record.ts';
import { type Batch, followInBatch, notStarted, startInBatch } from './batch-sessions.ts';

const statusQuery = defineQuery<BatchStatus>(BatchMessage.status);
const newsSignal = defineSignal<[SessionNews]>(SESSION_NEWS_SIGNAL);
const stopUpdate = defineUpdate<BatchAnswer, [BatchStopRequest]>(BatchMessage.stop);
const finalizeUpdate = defineUpdate<BatchAnswer, [BatchFinalizeRequest]>(BatchMessage.finalize);
const cancelFinalizeUpdate = defineUpdate<BatchAnswer>(BatchMessage.cancelFinalize);

/** What a look at one more VM may take where the target's inventory is large. */
const LOOK_MS = 10_000;

/** `resumed` is what an earlier run of a long batch hands to the next one. */
type BatchArgument = BatchInput & { readonly resumed?: BatchStatus };

/** Updates `stop`, `finalize` and `cancelFinalize`, Query `status`; see contract/batch.ts. */
export async function batch(argument: BatchArgument): Promise<BatchResult> {
  const { resumed } = argument;
  const input = parse(argument);
  const record = batchRecord(input, resumed);
  const self: Batch = { input, record };
  const orders = openBatchOrders(self);
  setHandler(statusQuery, () => record.status());
  setHandler(newsSignal, (news) => record.news(news));
  takeOrders(self, orders);
  heedCancel(self);
  return CancellationScope.nonCancellable(async () => {
    let isBegun = resumed !== undefined;
    if (resumed !== undefined) {
      for (const vm of resumed.vms.filter((each) => !vmIsOver(each))) followInBatch(self, vm.sessionId);
    } else {
      const sessions = await preflight(self);
      void begin(self, orders, sessions).then(() => {
        isBegun = true;
      });
    }
    const isLong = (): boolean => isBegun && workflowInfo().continueAsNewSuggested && allHandlersFinished();
    const isDone = (): boolean => record.status().vms.every(vmIsOver);
    await condition(() => isDone() || isLong());
    if (!isDone()) return continueAsNew<typeof batch>({ ...input, resumed: record.status() });
    record.state('ended');
    record.say('All sessions of the batch have ended');
    await condition(allHandlersFinished);
    return { batchId: input.batchId, vms: record.status().vms };
  });
}

function parse(argument: BatchArgument): BatchInput {
  const parsed = batchInputSchema.safeParse(argument);
  const issues = parsed.success ? [] : issuesOf(parsed.error);
  const { workflowId } = workflowInfo();
  if (parsed.success && parsed.data.batchId !== workflowId) {
    issues.push(`batchId: the Workflow Id is ${workflowId}`);
  }
  if (parsed.success && issues.length === 0) return parsed.data;
  throw failureFrom({ type: 'InvalidInput', message: issues.join('; '), details: [] });
}

const issuesOf = ({ issues }: z.ZodError): string[] =>
  issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

/** Answers the sessions to be started, with the jobs that were found; those that can't be are told. */
async function preflight(self: Batch): Promise<StartInput[]> {
  const { input, record } = self;
  const { sessions } = input;
  record.say(`Preflight: looks at ${sessions.length} VMs, backup, gateway and target`);
  const stepTimeoutMs = Math.max(...sessions.map((each) => each.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS));
  const timeoutMs = stepTimeoutMs + sessions.length * LOOK_MS;
  const { vms } = await startSteps(input.site, timeoutMs)
    .preflightBatch(input)
    .catch((error: unknown) => {
      const reason = reasonOf(error, 'preflight');
      record.state('failed', { type: reason.type, message: reason.message });
      record.say(`${sentence(reason.message)} Nothing was touched`, 'error');
      throw failureFrom(reason);
    });
  // A cancel or a stop may have come meanwhile.
  record.state('starting');
  return sessions.flatMap((session, index) => {
    const found = vms[index];
    if (vmIsOver(record.vm(session.sessionId))) return [];
    if (found?.failure !== undefined) {
      notStarted(self, session.sessionId, found.failure);
      return [];
    }
    const jobId = found?.jobId ?? session.source.jobId;
    record.updateVm(session.sessionId, { jobId });
    return [{ ...session, source: { ...session.source, jobId } }];
  });
}

/** Ends when nothing is being started any more, and nothing migrated that was to be migrated at once. */
async function begin(self: Batch, orders: BatchOrders, sessions: readonly StartInput[]): Promise<void> {
  const { input, record } = self;
  const turns = openTurns(MAX_PARALLEL_STARTS);
  record.say(`Starts ${sessions.length} of ${input.sessions.length} VMs, ${MAX_PARALLEL_STARTS} at a time`);
  await Promise.all(
    sessions.map(async (session) => {
      const { sessionId } = session;
      const state = () => record.vm(sessionId).state;
      await turns(async () => {
        if (state() === 'waiting') await startInBatch(self, session);
      });
      if (input.autoMigrate !== undefined && state() === 'running') {
        await orders.migrate(sessionId, input.autoMigrate);
      }
    }),
  );
}

function takeOrders({ input, record }: Batch, orders: BatchOrders): void {
  const check = (schema: z.ZodType<{ only?: readonly string[] | undefined }>, request: unknown): void => {
    const parsed = schema.safeParse(request);
    if (!parsed.success) throw rejection('InvalidInput', issuesOf(parsed.error).join('; '));
    const known = new Set(input.sessions.map(({ sessionId }) => sessionId));
    const strange = parsed.data.only?.filter((each) => !known.has(each)) ?? [];
    if (strange.length > 0) {
      throw rejection('InvalidInput', `${input.batchId} has no session ${strange.join(', ')}`);
    }
    if (record.status().vms.every(vmIsOver)) {
      throw rejection('NotRunning', `${input.batchId} has ended: none of its sessions is left`);
    }
  };
  const apart = <T>(body: () => Promise<T>): Promise<T> => CancellationScope.nonCancellable(body);
  setHandler(stopUpdate, (request) => apart(() => orders.stop(request)), {
    description: 'Remove the VMs and discard their changes',
    validator: (request) => check(batchStopRequestSchema, request),
  });
  setHandler(finalizeUpdate, (request) => apart(() => orders.finalize(request)), {
    description: 'Migrate the VMs to a permanent place',
    validator: (request) => check(batchFinalizeRequestSchema, request),
  });
  setHandler(cancelFinalizeUpdate, () => apart(() => orders.cancelFinalize()), {
    description: 'Go on from the gateway as before',
  });
}

/** As for a session that runs, a cancel takes nothing away: what has begun goes on, and nothing new is begun. */
function heedCancel(self: Batch): void {
  const { record } = self;
  CancellationScope.current().cancelRequested.catch(() => {
    const waiting = record.status().vms.filter(({ state }) => state === 'waiting');
    for (const { sessionId } of waiting) notStarted(self, sessionId, undefined);
    record.say('A cancel of the Workflow stops no session: use `rundirect stop`', 'warning');
  });
}
