// Asks one session of a batch for something, as a person would: by the Update of its Workflow, which a Workflow can't
// send itself. Whoever takes the step over after a dead worker asks with the same id, so that the session hears it once.
import { type WorkflowHandle, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { type AskSessionInput, type BatchOrder, SessionMessage } from '../../contract/index.ts';
import { failureFor, nonRetryable } from '../failures.ts';
import type { Step } from '../step.ts';
import { assertOwnBatch } from './own-batch.ts';

/** A session that was begun a moment ago may not be there yet. */
const MAX_LOOKS = 5;

export async function askSession(input: AskSessionInput, step: Step): Promise<void> {
  const { sessionId, orderId, order } = input;
  assertOwnBatch(step, input);
  await step.withTemporal(async (client) => {
    const handle = client.workflow.getHandle(sessionId);
    try {
      await send(handle, order, orderId);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) await expectEnded(handle, step);
      else throw refusalOf(error) ?? error;
    }
  });
}

async function send(handle: WorkflowHandle, order: BatchOrder, updateId: string): Promise<void> {
  const name = SessionMessage[order.kind];
  if (order.kind === 'cancelFinalize') await handle.executeUpdate<unknown, []>(name, { updateId });
  else await handle.executeUpdate<unknown, [object]>(name, { updateId, args: [order.request] });
}

/** What the session says is final: whether to ask again is for whoever asked. */
function refusalOf(error: unknown): ApplicationFailure | undefined {
  if (!(error instanceof WorkflowUpdateFailedError)) return undefined;
  const { cause } = error;
  if (cause instanceof ApplicationFailure) {
    return ApplicationFailure.nonRetryable(cause.message, cause.type, ...(cause.details ?? []));
  }
  return nonRetryable('Unexpected', cause?.message ?? error.message);
}

/** One that has ended has nothing to be asked for. Throws for one that is not there, or is just on its way. */
async function expectEnded(handle: WorkflowHandle, { attempt }: Step): Promise<void> {
  const { workflowId } = handle;
  const closed = await handle.describe().then(
    ({ closeTime }) => closeTime !== undefined,
    () => undefined,
  );
  if (closed === true) return;
  const message = `session ${workflowId} does not take the order`;
  if (closed === undefined && attempt >= MAX_LOOKS)
    throw nonRetryable('NotRunning', `${message}: it is not there`);
  throw failureFor('Unexpected', message);
}
