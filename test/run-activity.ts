// Runs one step as a worker does, in the context of a Workflow, without a server.
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityDeps } from '../activities/index.ts';
import { createActivities } from '../activities/index.ts';
import type { SiteActivities } from '../contract/index.ts';

type Name = keyof SiteActivities;

/** Throws what Temporal would get. */
export async function runActivity<N extends Name>(
  deps: ActivityDeps,
  name: N,
  input: Parameters<SiteActivities[N]>[0],
  { workflowId, attempt = 1 }: { readonly workflowId: string; readonly attempt?: number },
): Promise<Awaited<ReturnType<SiteActivities[N]>>> {
  const environment = new MockActivityEnvironment(
    { attempt, activityType: name, workflowExecution: { workflowId, runId: 'r' } },
    { logger: new DefaultLogger('ERROR') },
  );
  const step = createActivities(deps)[name] as (input: unknown) => Promise<unknown>;
  const answer = await environment.run<[unknown], unknown, typeof step>(step, input);
  return answer as Awaited<ReturnType<SiteActivities[N]>>;
}
