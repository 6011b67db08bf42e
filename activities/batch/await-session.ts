// Waits for the end of a session that an earlier run of the batch's Workflow began: Temporal tells a child's end to
// that run alone.
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure } from '@temporalio/common';
import type { AwaitSessionInput, SessionEnding, StopResult } from '../../contract/index.ts';
import type { Step } from '../step.ts';
import { assertOwnBatch } from './own-batch.ts';

export async function awaitSession(input: AwaitSessionInput, step: Step): Promise<SessionEnding> {
  assertOwnBatch(step, input);
  return step.withTemporal(async (client) => {
    try {
      const result: unknown = await client.workflow.getHandle(input.sessionId).result();
      return { state: (result as StopResult).state, failure: undefined };
    } catch (error) {
      const ending = endingOf(error);
      if (ending === undefined) throw error;
      return ending;
    }
  });
}

/** Undefined where it is Temporal that failed, and the session may well go on. */
function endingOf(error: unknown): SessionEnding | undefined {
  if (!(error instanceof WorkflowFailedError)) return undefined;
  const { cause } = error;
  if (cause instanceof CancelledFailure) return { state: 'cancelled', failure: undefined };
  if (cause instanceof TerminatedFailure) {
    const message = 'its Workflow was terminated in Temporal, so nothing of it was undone';
    return { state: 'terminated', failure: { type: 'Terminated', message } };
  }
  const type = cause instanceof ApplicationFailure ? cause.type : undefined;
  return {
    state: 'failed',
    failure: { type: type ?? 'Unexpected', message: cause?.message ?? error.message },
  };
}
