// Opens a step's way to its target: the sealed password, the pinned certificate, a session that is shared.
import { proveOfSession, type Target, targetSubject } from '../contract/index.ts';
import type { Vsphere } from '../vsphere/index.ts';
import type { ActivityDeps } from './deps.ts';
import { failureFor } from './failures.ts';
import type { Step } from './step.ts';

export async function withTarget<T>(
  { siteKey, targets }: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  step: Step,
  target: Target,
  work: (vsphere: Vsphere) => Promise<T>,
): Promise<T> {
  const { host, port, user, fingerprint } = target;
  const password = step.open(siteKey, target.password, 'target-password', targetSubject(target));
  return targets.use({ host, port, user, fingerprint, password }, step.signal, work);
}

/** A session's steps act for the session whose Workflow called them, or for a round of its proof, and for no other. */
export function assertOwnSession(step: Pick<Step, 'workflowId'>, sessionId: string): void {
  const owner = proveOfSession(sessionId) ?? sessionId;
  if (step.workflowId !== owner) {
    throw failureFor('NotOurs', `Workflow ${step.workflowId} asked for a step of session ${sessionId}`);
  }
}
