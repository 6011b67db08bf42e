// A proof's steps act for the proof whose Workflow called them, and for no other.
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';

/** Throws NotOurs. */
export function assertOwnProof({ workflowId }: Pick<Step, 'workflowId'>, proveId: string): void {
  if (workflowId !== proveId) {
    throw failureFor('NotOurs', `Workflow ${workflowId} asked for a step of proof ${proveId}`);
  }
}
