// A batch's steps act for the batch whose Workflow called them, and for its own sessions alone.
import { batchSessionId, MAX_BATCH_VMS } from '../../contract/index.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';

/** Throws NotOurs. */
export function assertOwnBatch(
  { workflowId }: Pick<Step, 'workflowId'>,
  { batchId, sessionId }: { readonly batchId: string; readonly sessionId: string },
): void {
  const sessions = Array.from({ length: MAX_BATCH_VMS }, (_, index) => batchSessionId(batchId, index + 1));
  if (workflowId === batchId && sessions.includes(sessionId)) return;
  throw failureFor('NotOurs', `Workflow ${workflowId} asked for session ${sessionId} of batch ${batchId}`);
}
