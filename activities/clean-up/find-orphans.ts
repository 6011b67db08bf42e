// Finds what Workflows that ended without an end of their own have left at the site: the gateway's exports, which are
// made before and dropped after all else of a session, less those whose Workflow is open.
import type { WorkflowExecutionDescription } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { type Orphan, type OrphansResult, SearchAttribute, type WorkflowEnd } from '../../contract/index.ts';
import type { ExportStatus } from '../../gateway/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { workflowOf } from '../workflow-runs.ts';

/** Workflows that Temporal is asked after at once. */
const PARALLEL_LOOKS = 8;

export async function findOrphans(
  { gateway }: Pick<ActivityDeps, 'gateway'>,
  step: Pick<Step, 'withTemporal'>,
): Promise<OrphansResult> {
  const waiting = [...(await gateway.exports())];
  const orphans: Orphan[] = [];
  const look = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const workflow = await workflowOf(step, next.sessionId);
      if (workflow === undefined || workflow.closeTime !== undefined) orphans.push(orphanOf(next, workflow));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_LOOKS }, look));
  // One that came to its own end meanwhile has dropped its export before its Workflow was closed.
  const left = new Set((await gateway.exports()).map(({ sessionId }) => sessionId));
  const stillThere = orphans.filter(({ sessionId }) => left.has(sessionId));
  return { orphans: stillThere.sort((a, b) => (a.since < b.since ? -1 : 1)) };
}

const ends: Partial<Record<WorkflowExecutionDescription['status']['name'], WorkflowEnd>> = {
  TERMINATED: 'terminated',
  TIMED_OUT: 'timedOut',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  COMPLETED: 'completed',
};

function orphanOf(exported: ExportStatus, workflow: WorkflowExecutionDescription | undefined): Orphan {
  const { sessionId, displayName, source, publishedAt, overlayBytes, targetId, fence, readOnly } = exported;
  const { vault, backupSet, jobId } = source;
  const attribute = (name: string): string | undefined =>
    workflow?.typedSearchAttributes.get(defineSearchAttributeKey(name, 'KEYWORD'));
  return {
    ...{
      sessionId,
      vm: displayName,
      source: { vault, backupSet, jobId },
      readOnly,
      fenced: fence !== undefined,
    },
    ...{ since: publishedAt, changesBytes: overlayBytes },
    target: attribute(SearchAttribute.target) ?? targetId,
    ended: workflow === undefined ? 'unknown' : (ends[workflow.status.name] ?? 'unknown'),
    workflowType: workflow?.type,
    state: attribute(SearchAttribute.state),
  };
}
