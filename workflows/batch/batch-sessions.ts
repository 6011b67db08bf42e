// The sessions of a batch: begins each as a child Workflow when it has its turn, and learns how it ends. A child
// outlives whatever becomes of its batch: a VM that people work on does not stop because a Workflow was terminated.
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  ChildWorkflowFailure,
  condition,
  ParentClosePolicy,
  startChild,
  TerminatedFailure,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { type BatchInput, type SessionEnding, type StartInput, WorkflowType } from '../../contract/index.ts';
import { longSteps } from '../activities-of.ts';
import { cancelled, type Reason, reasonOf } from '../failure.ts';
import type { RunDirect } from '../session.ts';
import { type BatchRecord, begins } from './batch-record.ts';

export interface Batch {
  readonly input: BatchInput;
  readonly record: BatchRecord;
}

/** Ends when the VM runs, or its session is over; one that could not be started is over at once. */
export async function startInBatch(batch: Batch, session: StartInput): Promise<void> {
  const { sessionId } = session;
  const { record } = batch;
  record.updateVm(sessionId, { state: 'preflight' });
  try {
    const child = await startChild<RunDirect>(WorkflowType.runDirect, {
      workflowId: sessionId,
      args: [session],
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      staticSummary: `${session.source.vmName} from ${session.source.backupSet} in ${batch.input.batchId}`,
    });
    tellEnding(batch, sessionId, child.result().then(endingOf, endingOfFailure));
  } catch (error) {
    notStarted(batch, sessionId, startFailure(sessionId, error));
  }
  await condition(() => !begins(record.vm(sessionId)));
}

/** In a later run of the batch: only the run that began a child is told of its end, so it is asked for. */
export function followInBatch(batch: Batch, sessionId: string): void {
  const { batchId, site } = batch.input;
  tellEnding(batch, sessionId, longSteps(site).awaitSession({ batchId, sessionId }));
}

/** There is no such session, and there will be none. */
export function notStarted(
  { record }: Batch,
  sessionId: string,
  failure: Pick<Reason, 'type' | 'message'> | undefined,
): void {
  record.updateVm(sessionId, { state: 'notStarted', guest: 'off', failure });
  const { vmName } = record.vm(sessionId);
  if (failure === undefined) record.say(`${vmName}: not started`, 'warning');
  else record.say(`${vmName}: not started: ${failure.message}`, 'error');
}

function tellEnding({ record }: Batch, sessionId: string, ending: Promise<SessionEnding>): void {
  const tell = ({ state, failure }: SessionEnding): void => {
    const { vmName } = record.vm(sessionId);
    record.updateVm(sessionId, { state, failure, migration: undefined, powerState: undefined });
    if (failure === undefined) record.say(`${vmName}: ${state}`);
    else record.say(`${vmName}: ${state}: ${failure.message}`, 'error');
  };
  ending.then(tell, (error: unknown) => {
    const { type, message } = reasonOf(error, 'following the session');
    tell({ state: 'failed', failure: { type, message } });
  });
}

const endingOf = ({ state }: Pick<SessionEnding, 'state'>): SessionEnding => ({ state, failure: undefined });

function endingOfFailure(error: unknown): SessionEnding {
  if (cancelled(error)) return { state: 'cancelled', failure: undefined };
  if (error instanceof ChildWorkflowFailure && error.cause instanceof TerminatedFailure) {
    const message = 'its Workflow was terminated in Temporal, so nothing of it was undone';
    return { state: 'terminated', failure: { type: 'Terminated', message } };
  }
  const { type, message } = reasonOf(error, 'the session');
  return { state: 'failed', failure: { type, message } };
}

function startFailure(sessionId: string, error: unknown): Pick<Reason, 'type' | 'message'> {
  if (error instanceof WorkflowExecutionAlreadyStartedError) {
    return { type: 'SessionIdTaken', message: `there is, or was, a session ${sessionId} already` };
  }
  return reasonOf(error, 'starting the session');
}
