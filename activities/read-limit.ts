// Holds a session's copy back at the gateway, and lets it go.
import type { LimitReadsInput } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';
import { assertOwnSession } from './target.ts';

type Deps = Pick<ActivityDeps, 'gateway'>;

export async function limitReads(
  { gateway }: Deps,
  { sessionId, bytesPerSecond }: LimitReadsInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, sessionId);
  await gateway.limitReads(sessionId, bytesPerSecond);
}

export async function liftReadLimit(
  { gateway }: Deps,
  { sessionId }: Pick<LimitReadsInput, 'sessionId'>,
  step: Step,
): Promise<void> {
  assertOwnSession(step, sessionId);
  await gateway.liftReadLimit(sessionId);
}
