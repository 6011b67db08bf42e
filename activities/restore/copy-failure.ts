// Why a copy to production failed. A target that is refused a damaged block calls that an I/O error, and no more: which
// block it was, and in which file of the vault, its gateway knows.
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityDeps } from '../deps.ts';
import { nonRetryable } from '../failures.ts';

/** What says of a copy that the target gave it up. */
const GIVEN_UP: ReadonlySet<string> = new Set(['MigrationFailed', 'PowerOnFailed']);

/** The error itself, or CopyFailed with the target's words and the gateway's. */
export async function copyFailure(
  gateway: Pick<ActivityDeps['gateway'], 'exportStatus'>,
  sessionId: string,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof ApplicationFailure) || !GIVEN_UP.has(error.type ?? '')) return error;
  const { lastError } = await gateway.exportStatus(sessionId);
  const why = lastError === undefined ? '' : `; the gateway says: ${lastError}`;
  return nonRetryable('CopyFailed', `${error.message}${why}`);
}
