// A drill's steps act for the drill whose Workflow called them, or one of its sessions that is cleaned up, and for no
// other: its network and its report's folder are named by its id.
import { drillOfSession, drillOfWorkflow } from '../../contract/index.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';

/** Throws NotOurs. */
export function assertOwnDrill(
  { workflowId }: Pick<Step, 'workflowId'>,
  drillId: string,
  sessionId?: string,
): void {
  const own = drillOfWorkflow(workflowId) ?? drillOfSession(workflowId);
  if (own?.drillId !== drillId) {
    throw failureFor('NotOurs', `Workflow ${workflowId} asked for a step of drill ${drillId}`);
  }
  if (sessionId !== undefined && drillOfSession(sessionId)?.drillId !== drillId) {
    throw failureFor('NotOurs', `Session ${sessionId} is none of drill ${drillId}`);
  }
}
