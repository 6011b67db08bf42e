// `rundirect drill run`: one drill, now; follows it to its report.
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import {
  type DrillInput,
  DrillMessage,
  type DrillResult,
  type DrillStatus,
  drillNameFor,
  drillWorkflowId,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../../contract/index.ts';
import type { Act } from '../../act.ts';
import type { Context } from '../../context.ts';
import { ClientError } from '../../errors/client-error.ts';
import { ExitCode } from '../../errors/exit-code.ts';
import { drillName } from '../../options/arguments.ts';
import { randomLetters } from '../../random-id.ts';
import { entriesAfter } from '../../temporal/follow.ts';
import { interruptionBy, isAborted } from '../../temporal/interruption.ts';
import type { Temporal } from '../../temporal/temporal.ts';
import { drillText } from '../../views/drill-view.ts';
import { logLine } from '../../views/session-view.ts';
import { addPlanOptions, drillSummary, type PlanOptions, planDrill } from './plan.ts';

interface Options extends PlanOptions {
  readonly name?: string;
  readonly detach?: boolean;
}

const POLL_MS = 500;
const QUERY_TIMEOUT_MS = 5_000;

type Drilling = WorkflowHandle<(input: DrillInput) => Promise<DrillResult>>;

async function startDrill(temporal: Temporal, input: DrillInput): Promise<Drilling> {
  try {
    return await temporal.client.workflow.start<(input: DrillInput) => Promise<DrillResult>>(
      WorkflowType.drill,
      {
        workflowId: drillWorkflowId(input.name),
        taskQueue: WORKFLOW_TASK_QUEUE,
        // A drill's id names its sessions, which are never run twice.
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'FAIL',
        args: [input],
        staticSummary: drillSummary(input),
      },
    );
  } catch (cause) {
    if (!(cause instanceof WorkflowExecutionAlreadyStartedError)) throw cause;
    throw new ClientError('DrillExists', `there is, or was, a drill ${input.name} already`, {
      cause,
      hint: 'Give --name another one, or leave it out: then a fresh one is made.',
    });
  }
}

/** Tells the drill's log until `done`. */
async function tellLog(
  context: Context,
  temporal: Temporal,
  handle: Drilling,
  done: AbortSignal,
): Promise<void> {
  const { terminal } = context;
  let last: DrillStatus['log'][number] | undefined;
  for (let over = false; !over; ) {
    await delay(POLL_MS, undefined, { signal: done }).catch(() => undefined);
    // One more look when it is over, so that its last words are not missed.
    over = isAborted(done);
    const status = await temporal.client
      .withDeadline(Date.now() + QUERY_TIMEOUT_MS, () => handle.query<DrillStatus>(DrillMessage.status))
      // Only a look; the drill's own end is what counts.
      .catch(() => undefined);
    for (const entry of entriesAfter(status?.log ?? [], last)) {
      terminal.print(logLine(entry, terminal));
      terminal.document({ event: 'log', ...entry });
    }
    last = status?.log.at(-1) ?? last;
  }
}

async function follow(context: Context, temporal: Temporal, handle: Drilling): Promise<DrillResult> {
  const done = new AbortController();
  const telling = tellLog(context, temporal, handle, done.signal);
  using interruption = interruptionBy(context.interrupted);
  const result = handle.result();
  let outcome: DrillResult | 'interrupted';
  try {
    outcome = await Promise.race([result, interruption.promise]);
  } finally {
    done.abort();
    await telling;
  }
  if (outcome !== 'interrupted') return outcome;
  // Nobody waits for it any more.
  result.catch(() => undefined);
  throw new ClientError('Interrupted', `you no longer watch drill ${handle.workflowId}; it goes on`, {
    hint:
      'It removes all of its own and writes its report. To end it early: ' +
      `temporal workflow cancel --workflow-id ${handle.workflowId}`,
  });
}

async function run(context: Context, options: Options): Promise<ExitCode | undefined> {
  const { terminal } = context;
  const name = options.name ?? drillNameFor(options.vm[0] ?? '', randomLetters());
  const input = await planDrill(context, name, options);
  const temporal = await context.temporal();
  const handle = await startDrill(temporal, input);
  terminal.document({ event: 'started', drillId: name });
  terminal.print(`Drill ${name}`);
  if (options.detach === true) {
    terminal.document({ event: 'result', drillId: name });
    return undefined;
  }
  const result = await follow(context, temporal, handle);
  terminal.document({ event: 'result', ...result });
  terminal.print('');
  terminal.print(drillText(result));
  return result.report.verdict === 'passed' ? ExitCode.ok : ExitCode.failed;
}

const examples = `
Examples:
  $ rundirect drill run --vault /backups/vault --set nightly --vm web01 db01 --target esx1.example --user root --rto 5m
  $ rundirect drill run … --report-dir /srv/reports --json

It ends with 0 when every VM passed. Each VM is a session, which \`rundirect sessions\` shows while it runs.
Ctrl-C leaves the drill to go on by itself; to end it early: temporal workflow cancel --workflow-id drill:NAME`;

export function addDrillRun(drill: Command, act: Act): void {
  const command = drill
    .command('run')
    .summary('run a drill now')
    .description('Runs a drill now, and follows it to its report.');
  addPlanOptions(command)
    .option('--name <name>', "the drill's name (default: from the first VM's)", drillName)
    .option('--detach', 'start, and do not follow')
    .addHelpText('after', examples)
    .action(act(run));
}
