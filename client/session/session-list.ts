// Sessions, restores among them, as Temporal's visibility knows them: no worker is needed to list them.
import type { WorkflowExecutionInfo } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import {
  batchIdSchema,
  SearchAttribute,
  THROTTLE_MEMO,
  type Throttle,
  throttleSchema,
  WorkflowType,
} from '../../contract/index.ts';
import type { Temporal } from '../temporal/temporal.ts';

export interface ListedSession {
  readonly sessionId: string;
  readonly vm: string;
  readonly state: string;
  readonly target: string;
  readonly backupSet: string;
  readonly site: string;
  /** That it was started in. */
  readonly batch: string | undefined;
  /** How its copy is held back. */
  readonly throttle: Throttle | undefined;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt: string | undefined;
}

const endings: Partial<Record<WorkflowExecutionInfo['status']['name'], string>> = {
  TERMINATED: 'terminated',
  TIMED_OUT: 'timed out',
};

/** What Temporal knows of a session's Workflow. The session's own state may lag where it was ended from outside. */
export function listedSession(
  info: Pick<
    WorkflowExecutionInfo,
    'workflowId' | 'status' | 'startTime' | 'closeTime' | 'typedSearchAttributes' | 'parentExecution' | 'memo'
  >,
): ListedSession {
  const attribute = (name: string): string =>
    info.typedSearchAttributes.get(defineSearchAttributeKey(name, 'KEYWORD')) ?? '';
  return {
    sessionId: info.workflowId,
    vm: attribute(SearchAttribute.vm),
    state: endings[info.status.name] ?? attribute(SearchAttribute.state),
    target: attribute(SearchAttribute.target),
    backupSet: attribute(SearchAttribute.backupSet),
    site: attribute(SearchAttribute.site),
    batch: batchOf(info.parentExecution?.workflowId),
    throttle: throttleSchema.safeParse(info.memo?.[THROTTLE_MEMO]).data,
    startedAt: info.startTime.toISOString(),
    endedAt: info.closeTime?.toISOString(),
  };
}

/** A session that is part of something else has a parent, too: a drill. */
const batchOf = (parent: string | null | undefined): string | undefined =>
  batchIdSchema.safeParse(parent).data;

export interface SessionFilter {
  /** Sessions that have ended, too. */
  readonly all: boolean;
  readonly state: string | undefined;
  /** Of this site alone. */
  readonly site?: string | undefined;
  readonly limit: number;
}

/** The filter as a List Filter of Temporal's visibility. `state` must be one of contract's states. */
export function visibilityQuery({ all, state, site }: SessionFilter): string {
  const { runDirect, restore, restoreDisk, cleanUp } = WorkflowType;
  const conditions = [`WorkflowType IN ('${runDirect}', '${restore}', '${restoreDisk}', '${cleanUp}')`];
  if (state !== undefined) conditions.push(`${SearchAttribute.state} = '${state}'`);
  else if (!all) conditions.push("ExecutionStatus = 'Running'");
  if (site !== undefined) conditions.push(`${SearchAttribute.site} = '${site}'`);
  return conditions.join(' AND ');
}

/** The newest sessions first, at most `limit`; `more` says that there are others. */
export async function listSessions(
  temporal: Temporal,
  filter: SessionFilter,
): Promise<{ sessions: ListedSession[]; more: boolean }> {
  const sessions: ListedSession[] = [];
  const pageSize = Math.min(filter.limit + 1, 1_000);
  for await (const info of temporal.client.workflow.list({ query: visibilityQuery(filter), pageSize })) {
    // A long session goes on in new runs; the earlier ones are not sessions of their own.
    if (info.status.name === 'CONTINUED_AS_NEW') continue;
    if (sessions.length === filter.limit) return { sessions, more: true };
    sessions.push(listedSession(info));
  }
  return { sessions, more: false };
}
