// Short Workflows at a site: a question, an answer, a limit. Everything that the client wants to know of a vault,
// a target or a site goes this way, because it opens none of them itself.
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { TimeoutFailure } from '@temporalio/common';
import {
  type BackupInput,
  type BackupResult,
  type DrillReportInput,
  type DrillReportsInput,
  type DrillReportsResult,
  type DrillResult,
  type OrphansInput,
  type OrphansResult,
  type SiteInfo,
  type SiteInfoInput,
  type TargetInfo,
  type TargetInfoInput,
  type VaultInitInput,
  type VaultInitResult,
  type VaultListInput,
  type VaultListResult,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../contract/index.ts';
import { ClientError } from '../errors/client-error.ts';
import { randomLetters } from '../random-id.ts';
import { interruptionBy } from './interruption.ts';
import { requireWorkers, type Temporal } from './temporal.ts';
import { tellTroubles } from './trouble.ts';

/** What each Workflow takes and answers, by its Workflow Type. */
interface SiteWorkflows {
  siteInfo: { input: SiteInfoInput; result: SiteInfo };
  targetInfo: { input: TargetInfoInput; result: TargetInfo };
  vaultInit: { input: VaultInitInput; result: VaultInitResult };
  vaultList: { input: VaultListInput; result: VaultListResult };
  backup: { input: BackupInput; result: BackupResult };
  drillReports: { input: DrillReportsInput; result: DrillReportsResult };
  drillReport: { input: DrillReportInput; result: DrillResult };
  orphans: { input: OrphansInput; result: OrphansResult };
}
type SiteWorkflowType = keyof SiteWorkflows;
type Question = Exclude<SiteWorkflowType, 'backup'>;

/** How long each may take; a listing reads one manifest per job, wherever the vault is. */
const answerWithinMs = {
  siteInfo: 30_000,
  targetInfo: 60_000,
  vaultInit: 60_000,
  vaultList: 300_000,
  drillReports: 60_000,
  drillReport: 60_000,
  orphans: 60_000,
} as const satisfies Record<Question, number>;

const idPrefix = {
  siteInfo: 'site-info',
  targetInfo: 'target-info',
  vaultInit: 'vault-init',
  vaultList: 'vault-list',
  backup: 'backup',
  drillReports: 'drill-reports',
  drillReport: 'drill-report',
  orphans: 'orphans',
} as const satisfies Record<SiteWorkflowType, string>;

const CANCEL_TIMEOUT_MS = 3_000;

/** A fresh Workflow Id; needed before the start where a secret is bound to it. */
export const newWorkflowId = (type: SiteWorkflowType): string => `${idPrefix[type]}-${randomLetters()}`;

/** Starts a Workflow at a site. Throws ClientError NoWorker. */
export async function startSiteWorkflow<Type extends SiteWorkflowType>(
  temporal: Temporal,
  type: Type,
  input: SiteWorkflows[Type]['input'],
  options: { workflowId: string; summary: string; executionTimeoutMs?: number },
): Promise<WorkflowHandle<(input: SiteWorkflows[Type]['input']) => Promise<SiteWorkflows[Type]['result']>>> {
  await requireWorkers(temporal, input.site);
  return temporal.client.workflow.start<
    (input: SiteWorkflows[Type]['input']) => Promise<SiteWorkflows[Type]['result']>
  >(WorkflowType[type], {
    workflowId: options.workflowId,
    taskQueue: WORKFLOW_TASK_QUEUE,
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    args: [input],
    staticSummary: options.summary,
    ...(options.executionTimeoutMs === undefined
      ? {}
      : { workflowExecutionTimeout: options.executionTimeoutMs }),
  });
}

/** Asks a Workflow to end, because nobody waits for it any more; best effort. */
export async function cancelQuietly(temporal: Temporal, handle: WorkflowHandle): Promise<void> {
  const cancel = temporal.client.withDeadline(Date.now() + CANCEL_TIMEOUT_MS, () => handle.cancel());
  // Whatever keeps Temporal from hearing it, the Workflow's own limit ends it.
  await cancel.catch(() => undefined);
}

interface Waiting {
  readonly signal: AbortSignal;
  /** Told once for each new trouble. */
  readonly onTrouble: (message: string) => void;
}

/** Asks, waits for the answer, and tells what keeps it waiting. Throws ClientError NoWorker, NoAnswer. */
export async function askSite<Type extends Question>(
  temporal: Temporal,
  type: Type,
  input: SiteWorkflows[Type]['input'],
  waiting: Waiting,
): Promise<SiteWorkflows[Type]['result']> {
  const limitMs = answerWithinMs[type];
  const handle = await startSiteWorkflow(temporal, type, input, {
    workflowId: newWorkflowId(type),
    summary: `${type} at site ${input.site}`,
    executionTimeoutMs: limitMs,
  });
  using troubles = tellTroubles(temporal, handle, waiting.onTrouble);
  using interruption = interruptionBy(waiting.signal);
  const answer = handle.result().then((result) => ({ result }));
  try {
    const outcome = await Promise.race([answer, interruption.promise]);
    if (outcome !== 'interrupted') return outcome.result;
  } catch (error) {
    if (!(error instanceof WorkflowFailedError && error.cause instanceof TimeoutFailure)) throw error;
    const why = troubles.last();
    throw new ClientError(
      'NoAnswer',
      `site ${input.site} did not answer ${type} within ${limitMs / 1_000} s${why === undefined ? '' : `: ${why}`}`,
      { cause: error, hint: 'See whether its worker still runs, and what its log says.' },
    );
  }
  // Nobody waits for the answer any more.
  answer.catch(() => undefined);
  await cancelQuietly(temporal, handle);
  throw new ClientError('Interrupted', 'interrupted');
}
