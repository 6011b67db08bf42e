// `rundirect start` with several VMs: starts the batch's Workflow, and follows it until each VM runs and its guest is
// up, or it is known why not. Ends in a table of what became of each.
import {
  type BatchInput,
  type BatchStatus,
  type BatchVm,
  batchIdSchema,
  batchInputSchema,
  batchSessionId,
  LATEST_JOB,
  MAX_BATCH_VMS,
  sessionIdFor,
  WorkflowType,
} from '../../contract/index.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import type { ExitCode } from '../errors/exit-code.ts';
import { flagProblems } from '../options/arguments.ts';
import {
  gatherFacts,
  named,
  type StartFacts,
  type StartOptions,
  sealedSecrets,
  startInput,
} from '../options/start-input.ts';
import { randomLetters } from '../random-id.ts';
import { awaitBatch, exitCodeOfBatch, isBatchMigrated, isBatchSettled } from '../session/await-batch.ts';
import { askSite } from '../temporal/site-workflow.ts';
import { startWorkflow } from '../temporal/start-workflow.ts';
import { batchTable } from '../views/batch-view.ts';

type Options = Omit<StartOptions, 'vm'>;

/** @param vms are all of the job where undefined. */
export async function startBatch(
  context: Context,
  options: Options,
  vms: readonly string[] | undefined,
): Promise<ExitCode | undefined> {
  const { terminal } = context;
  if (vms !== undefined) checkFlags(options, vms);
  const facts = await gatherFacts(context, options);
  const chosen = vms === undefined ? await allOfJob(context, options) : { vms, job: options.job };
  const batchId = options.session ?? sessionIdFor(options.set, randomLetters());
  checkFlags(options, chosen.vms);
  const input = batchInput({ ...options, job: chosen.job }, facts, batchId, chosen.vms);
  const [session] = input.sessions;
  if (session === undefined) throw new ClientError('Usage', 'there is no VM to start');
  await startWorkflow(await context.temporal(), {
    ...{ type: WorkflowType.batch, workflowId: batchId, input, session, vm: chosen.vms.join(', ') },
  });
  const sessions = input.sessions.map(({ sessionId, source }) => ({ sessionId, vm: source.vmName }));
  terminal.document({ event: 'started', batchId, sessions });
  terminal.print(`Batch ${batchId}`);
  if (options.detach === true) {
    terminal.document({ event: 'result', batchId, sessions });
    return undefined;
  }
  const migrates = input.autoMigrate !== undefined;
  const status = await awaitBatch(context, batchId, migrates ? isBatchMigrated : isBatchSettled);
  if (status === undefined) throw new ClientError('SessionEnded', `batch ${batchId} ended before it ran`);
  report(context, status);
  const wanted: BatchVm['state'] = migrates ? 'finalized' : 'running';
  return exitCodeOfBatch(status, ({ state }) => state === wanted);
}

/** Before anybody types a secret, where the VMs are known. Throws ClientError Usage. */
function checkFlags({ name, session, original }: Options, vms: readonly string[]): void {
  const twice = vms.find((vm, index) => vms.indexOf(vm) !== index);
  if (twice !== undefined) throw new ClientError('Usage', `--vm: ${twice} is asked for twice`);
  if (vms.length > MAX_BATCH_VMS) {
    throw new ClientError(
      'Usage',
      `--vm: a batch has up to ${MAX_BATCH_VMS} VMs, and these are ${vms.length}`,
    );
  }
  if (vms.length > 1 && name?.includes('{vm}') === false) {
    throw new ClientError('Usage', '--name gives all VMs one name: say {vm} in it, as in --name {vm}-test');
  }
  if (vms.length > 1 && original !== undefined) {
    throw new ClientError('Usage', '--original names the place of one VM: finalize the sessions one by one');
  }
  const id = session === undefined ? undefined : batchIdSchema.safeParse(session);
  if (id?.success === false)
    throw new ClientError('Usage', `--session: ${id.error.issues[0]?.message ?? ''}`);
}

/** The batch's input from the command line. Throws ClientError Usage where they don't make one. */
function batchInput(
  options: Options,
  facts: StartFacts,
  batchId: string,
  vms: readonly string[],
): BatchInput {
  const sessions = vms.map((vm, index) =>
    startInput(named({ ...options, vm }), facts, batchSessionId(batchId, index + 1)),
  );
  const parsed = batchInputSchema.safeParse({
    batchId,
    site: options.site,
    ...sealedSecrets(options, facts, batchId),
    // The batch sees to it that they take turns.
    sessions: sessions.map((session) => ({ ...session, autoMigrate: undefined })),
    autoMigrate: sessions[0]?.autoMigrate,
  });
  if (!parsed.success) throw new ClientError('Usage', flagProblems(parsed.error), { cause: parsed.error });
  return parsed.data;
}

/** All from one job, also where another one is made meanwhile. Throws ClientError Usage. */
async function allOfJob(
  context: Context,
  { site, vault, set, job: wanted }: Options,
): Promise<{ readonly vms: readonly string[]; readonly job: string }> {
  const input = { site, vault, backupSet: set };
  const { backupSets } = await askSite(await context.temporal(), 'vaultList', input, context.waiting);
  const jobs = backupSets.flatMap((each) => each.jobs);
  const job = wanted === LATEST_JOB ? jobs.at(-1) : jobs.find(({ jobId }) => jobId === wanted);
  if (job === undefined) {
    const which = wanted === LATEST_JOB ? 'no job yet' : `no job ${wanted}`;
    throw new ClientError('Usage', `backup set ${set} in vault ${vault} has ${which}`, {
      hint: 'See what the vault holds with: rundirect vault list',
    });
  }
  return { vms: job.vms.map(({ name }) => name), job: job.jobId };
}

function report({ terminal }: Context, status: BatchStatus): void {
  terminal.document({ event: 'result', batch: status });
  terminal.print('');
  terminal.print(batchTable(status.vms));
  terminal.print('');
  terminal.print(
    terminal.style('dim', `rundirect stop ${status.batchId}  removes all of them and discards their changes`),
  );
}
