// Drops a session's export, with its changes and their key, for good. One that never was is done.
import type { DropExportInput } from '../contract/index.ts';
import { GatewayError } from '../gateway/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';
import { assertOwnSession } from './target.ts';

export async function dropExport(
  { gateway }: Pick<ActivityDeps, 'gateway'>,
  { sessionId }: DropExportInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, sessionId);
  try {
    await gateway.drop(sessionId);
  } catch (error) {
    const isGone =
      error instanceof GatewayError && (error.code === 'NotFound' || error.code === 'ExportDropped');
    if (!isGone) throw error;
  }
}
