// Whether the Workflow that answers for something is still there to do so.
import { WorkflowNotFoundError } from '@temporalio/client';
import { proveOfSession } from '../contract/index.ts';
import type { Step } from './step.ts';

/** False for a session whose Workflow has ended, in whatever way, or is not known to Temporal any more. */
export const sessionRuns = (step: Pick<Step, 'withTemporal'>, sessionId: string): Promise<boolean> =>
  workflowRuns(step, proveOfSession(sessionId) ?? sessionId);

function workflowRuns(step: Pick<Step, 'withTemporal'>, workflowId: string): Promise<boolean> {
  return step.withTemporal(async (client) => {
    try {
      const { closeTime } = await client.workflow.getHandle(workflowId).describe();
      return closeTime === undefined;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  });
}
