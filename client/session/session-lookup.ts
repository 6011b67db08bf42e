// Finds a session, or a batch of them, by its id, and tells the ids apart that are none.
import {
  type WorkflowExecutionDescription,
  type WorkflowHandle,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { WorkflowType } from '../../contract/index.ts';
import { ClientError } from '../errors/client-error.ts';
import type { Temporal } from '../temporal/temporal.ts';

export interface FoundSession {
  readonly kind: 'session' | 'batch';
  readonly handle: WorkflowHandle;
  readonly description: WorkflowExecutionDescription;
}

const kinds: Readonly<Record<string, FoundSession['kind']>> = {
  [WorkflowType.runDirect]: 'session',
  [WorkflowType.restore]: 'session',
  [WorkflowType.restoreDisk]: 'session',
  [WorkflowType.cleanUp]: 'session',
  [WorkflowType.batch]: 'batch',
};

/** What else has an id, and the commands that take it. */
const others: Readonly<Record<string, { readonly what: string; readonly commands: string }>> = {
  [WorkflowType.browse]: {
    what: 'a browse',
    commands: 'rundirect browse show ID, rundirect browse close ID',
  },
  [WorkflowType.prove]: { what: 'a proof of a target', commands: 'rundirect prove --follow ID' },
};

/** Throws ClientError SessionNotFound. */
export async function findStarted(temporal: Temporal, sessionId: string): Promise<FoundSession> {
  const handle = temporal.client.workflow.getHandle(sessionId);
  const unknown = (cause?: unknown): ClientError =>
    new ClientError('SessionNotFound', `Temporal ${temporal.name} knows no session ${sessionId}`, {
      cause,
      hint: 'See those that it knows with: rundirect sessions --all',
    });
  try {
    const description = await handle.describe();
    const kind = kinds[description.type];
    if (kind !== undefined) return { kind, handle, description };
    const other = others[description.type];
    if (other === undefined) throw unknown();
    throw new ClientError('SessionNotFound', `${sessionId} is no session, but ${other.what}`, {
      hint: `What takes it: ${other.commands.replaceAll('ID', sessionId)}`,
    });
  } catch (error) {
    throw error instanceof WorkflowNotFoundError ? unknown(error) : error;
  }
}

/** As above, of one session. Throws ClientError Usage of a batch: `oneByOne` says what is done with its VMs. */
export async function findOne(
  temporal: Temporal,
  sessionId: string,
  oneByOne: string,
): Promise<FoundSession> {
  const found = await findStarted(temporal, sessionId);
  if (found.kind === 'session') return found;
  throw new ClientError('Usage', `${sessionId} is a batch: its VMs are ${oneByOne} one by one`, {
    hint: `See its sessions with: rundirect show ${sessionId}`,
  });
}
