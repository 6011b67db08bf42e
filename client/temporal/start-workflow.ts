// Starts what a person starts: a session, a restore, or a batch of sessions, under an id that is never used twice, with what
// Temporal's web page and lists show of it.
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import {
  SearchAttribute,
  type StartInput,
  targetSubject,
  WORKFLOW_TASK_QUEUE,
  type WorkflowType,
} from '../../contract/index.ts';
import { ClientError } from '../errors/client-error.ts';
import type { Temporal } from './temporal.ts';

export interface StartPlan {
  readonly type: (typeof WorkflowType)['batch' | 'restore' | 'restoreDisk' | 'runDirect'];
  readonly workflowId: string;
  readonly input: object;
  /** The VMs' names, as lists show them. */
  readonly vm: string;
  /** Of the session, or one of several that go from one set to one target. */
  readonly session: Pick<StartInput, 'site' | 'source' | 'target'>;
}

const TITLES = {
  batch: 'Run Direct',
  restore: 'Restore',
  restoreDisk: 'Restore of one disk',
  runDirect: 'Run Direct',
} as const satisfies Record<StartPlan['type'], string>;

const MAX_LISTED_CHARACTERS = 200;

const keyword = (name: string, value: string): SearchAttributePair => ({
  key: defineSearchAttributeKey(name, 'KEYWORD'),
  value,
});

/** Throws ClientError SessionIdTaken. */
export async function startWorkflow(temporal: Temporal, plan: StartPlan): Promise<void> {
  const { type, workflowId, input, session } = plan;
  const { site, source, target } = session;
  const subject = targetSubject(target);
  const what = TITLES[type];
  const vm = plan.vm.slice(0, MAX_LISTED_CHARACTERS);
  try {
    await temporal.client.workflow.start(type, {
      workflowId,
      taskQueue: WORKFLOW_TASK_QUEUE,
      // A session's id is its directory and its mark on the host: it is never used twice.
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      args: [input],
      typedSearchAttributes: [
        keyword(SearchAttribute.vm, vm),
        keyword(SearchAttribute.state, 'preflight'),
        keyword(SearchAttribute.site, site),
        keyword(SearchAttribute.target, subject),
        keyword(SearchAttribute.backupSet, source.backupSet),
      ],
      staticSummary: `${vm.slice(0, 100)} from ${source.backupSet}/${source.jobId} on ${target.host}`,
      staticDetails:
        `${what} of VM \`${vm}\` from backup set \`${source.backupSet}\`, job \`${source.jobId}\`, ` +
        `in vault \`${source.vault}\`, on target \`${subject}\` through site \`${site}\`.`,
    });
  } catch (cause) {
    if (!(cause instanceof WorkflowExecutionAlreadyStartedError)) throw cause;
    throw new ClientError('SessionIdTaken', `there is, or was, a session ${workflowId} already`, {
      cause,
      hint: 'Give --session another id, or leave it out: then a fresh one is made.',
    });
  }
}
