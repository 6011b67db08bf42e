// Finds an open browse by its id, and asks it.
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { WorkflowType } from '../../../contract/index.ts';
import { ClientError } from '../../errors/client-error.ts';
import type { Temporal } from '../../temporal/temporal.ts';

/** Throws ClientError SessionNotFound; SessionEnded for one that is closed. */
export async function openBrowseHandle(temporal: Temporal, browseId: string): Promise<WorkflowHandle> {
  const handle = temporal.client.workflow.getHandle(browseId);
  const unknown = (cause?: unknown): ClientError =>
    new ClientError('SessionNotFound', `Temporal ${temporal.name} knows no browse ${browseId}`, {
      cause,
      hint: 'See those that are open with: rundirect browse list',
    });
  const description = await handle.describe().catch((error: unknown) => {
    throw error instanceof WorkflowNotFoundError ? unknown(error) : error;
  });
  if (description.type !== WorkflowType.browse) throw unknown();
  if (description.closeTime === undefined) return handle;
  throw new ClientError('SessionEnded', `browse ${browseId} is closed already`);
}
