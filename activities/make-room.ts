// Raises what the gateway keeps for a session's changes.
import type { MakeRoomInput, MakeRoomResult } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';
import { assertOwnSession } from './target.ts';

export async function makeRoom(
  { gateway }: Pick<ActivityDeps, 'gateway'>,
  { sessionId, bytes }: MakeRoomInput,
  step: Step,
): Promise<MakeRoomResult> {
  assertOwnSession(step, sessionId);
  await gateway.makeRoom(sessionId, bytes);
  const { reservedBytes, overlayBytes } = await gateway.exportStatus(sessionId);
  return { sessionId, reservedBytes, usedBytes: overlayBytes };
}
