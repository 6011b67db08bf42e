// The last run of a Workflow that has ended, and what it was started with: where it worked, and the password that was
// sealed for it, which opens as long as the site's key is the same.
import {
  type WorkflowExecutionDescription,
  type WorkflowHandle,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { arrayFromPayloads, defaultPayloadConverter } from '@temporalio/common';
import { z } from 'zod';
import { siteNameSchema, type Target, targetSchema } from '../../contract/index.ts';
import type { Temporal } from './temporal.ts';

/** Of whichever Workflow it is. */
const startedWithSchema = z.object({ site: siteNameSchema, target: targetSchema.optional() });

export interface StartedWith {
  readonly site: string;
  readonly target: Target | undefined;
}

/** The newest run of this id; undefined where Temporal does not know it. */
export async function describeRun(handle: WorkflowHandle): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await handle.describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** From the first event of a run's history. Undefined for a Workflow that is started with something else. */
export async function startedWith(
  { client, namespace }: Temporal,
  { workflowId, runId }: Pick<WorkflowExecutionDescription, 'workflowId' | 'runId'>,
): Promise<StartedWith | undefined> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    ...{ namespace, execution: { workflowId, runId }, maximumPageSize: 1 },
  });
  const payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads;
  const [argument] = arrayFromPayloads(defaultPayloadConverter, payloads) as readonly unknown[];
  const parsed = startedWithSchema.safeParse(argument);
  return parsed.success ? { site: parsed.data.site, target: parsed.data.target } : undefined;
}
