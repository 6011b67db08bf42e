// Whether the Workflow that answers for something is still there to do so, and how it ended if it is not.
import { type WorkflowExecutionDescription, WorkflowNotFoundError } from '@temporalio/client';
import { proveOfSession } from '../contract/index.ts';
import type { Step } from './step.ts';

/** The Workflow that a session is, or whose round it is; undefined where Temporal does not know it any more. */
export function workflowOf(
  step: Pick<Step, 'withTemporal'>,
  sessionId: string,
): Promise<WorkflowExecutionDescription | undefined> {
  return step.withTemporal(async (client) => {
    try {
      return await client.workflow.getHandle(proveOfSession(sessionId) ?? sessionId).describe();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  });
}

/** False for a session whose Workflow has ended, in whatever way, or is not known to Temporal any more. */
export async function sessionRuns(step: Pick<Step, 'withTemporal'>, sessionId: string): Promise<boolean> {
  const workflow = await workflowOf(step, sessionId);
  return workflow !== undefined && workflow.closeTime === undefined;
}
