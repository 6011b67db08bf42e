// `rundirect drill schedule`: drills that run again and again, on Temporal Schedules. A schedule holds the plan and
// its secrets, sealed for the drill's name; each run is a Workflow of its own. Pausing, triggering and backfilling
// are Temporal's own tools' affair.
import {
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleSpec,
  type ScheduleSummary,
} from '@temporalio/client';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  drillInputSchema,
  drillOfWorkflow,
  drillWorkflowId,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../../contract/index.ts';
import type { Act } from '../../act.ts';
import type { Context } from '../../context.ts';
import { ClientError } from '../../errors/client-error.ts';
import { drillName, duration } from '../../options/arguments.ts';
import { formatDuration, formatTime } from '../../quantity.ts';
import { type Column, facts, table } from '../../views/table.ts';
import { addPlanOptions, drillSummary, type PlanOptions, planDrill } from './plan.ts';

interface CreateOptions extends PlanOptions {
  readonly every?: number;
  readonly cron?: string[];
  readonly timeZone?: string;
}

const MIN_INTERVAL_MS = 1_000;
/** What was missed while Temporal was down for longer is not made up for. */
const CATCH_UP = '1h';
const SHOWN_TIMES = 3;
const CRON_HINT =
  "A --cron is written like '0 3 * * SUN' (Sundays at 3:00), a --time-zone like Europe/Berlin.";

function interval(text: string): number {
  const ms = duration(text);
  if (ms < MIN_INTERVAL_MS) throw new InvalidArgumentError('a drill runs every second at most');
  return ms;
}

function specOf({ every, cron, timeZone }: CreateOptions): { spec: ScheduleSpec; when: string } {
  if ((every === undefined) === (cron === undefined)) {
    throw new ClientError('Usage', 'say when the drill runs, by --every or by --cron');
  }
  const spec = {
    ...(every === undefined ? {} : { intervals: [{ every }] }),
    ...(cron === undefined ? {} : { cronExpressions: cron }),
    ...(timeZone === undefined ? {} : { timezone: timeZone }),
  };
  const when = every === undefined ? (cron ?? []).join(' and ') : `every ${formatDuration(every)}`;
  return { spec, when: timeZone === undefined ? when : `${when} (${timeZone})` };
}

async function create(context: Context, name: string, options: CreateOptions): Promise<undefined> {
  const { terminal } = context;
  const { spec, when } = specOf(options);
  const input = await planDrill(context, name, options);
  const { client } = await context.temporal();
  const scheduleId = drillWorkflowId(name);
  try {
    await client.schedule.create({
      scheduleId,
      spec,
      action: {
        type: 'startWorkflow',
        workflowType: WorkflowType.drill,
        // Temporal appends the time.
        workflowId: scheduleId,
        taskQueue: WORKFLOW_TASK_QUEUE,
        args: [input],
        staticSummary: drillSummary(input),
      },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP },
      memo: { when, what: drillSummary(input) },
    });
  } catch (cause) {
    // So the SDK tells a cron expression or a time zone that Temporal refuses.
    if (cause instanceof TypeError) {
      const message = `Temporal takes no such schedule: ${cause.message}`;
      throw new ClientError('Usage', message, { cause, hint: CRON_HINT });
    }
    if (!(cause instanceof ScheduleAlreadyRunning)) throw cause;
    throw new ClientError('ScheduleExists', `there is a schedule ${name} already`, {
      cause,
      hint: `See it with: rundirect drill schedule show ${name}; delete it first to change it.`,
    });
  }
  const shown = await describe(context, name);
  terminal.document(shown);
  terminal.print(scheduleFacts(shown));
  return undefined;
}

interface ListedSchedule {
  readonly name: string;
  readonly when: string;
  readonly what: string;
  readonly paused: boolean;
  /** ISO 8601, UTC. */
  readonly next: readonly string[];
  /** Ids of the latest drills, oldest first. */
  readonly runs: readonly string[];
}

function listed(schedule: ScheduleSummary | ScheduleDescription): ListedSchedule | undefined {
  const name = drillOfWorkflow(schedule.scheduleId)?.name;
  if (name === undefined || schedule.action?.workflowType !== WorkflowType.drill) return undefined;
  const { info, memo, state } = schedule;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    name,
    when: text(memo?.['when']),
    what: text(memo?.['what']),
    paused: state.paused,
    next: info.nextActionTimes.slice(0, SHOWN_TIMES).map((time) => time.toISOString()),
    runs: info.recentActions.flatMap(({ action }) => {
      const drill = drillOfWorkflow(action.workflow.workflowId);
      return drill === undefined ? [] : [drill.drillId];
    }),
  };
}

const columns: readonly Column<ListedSchedule>[] = [
  { title: 'SCHEDULE', value: ({ name }) => name },
  { title: 'WHEN', value: ({ when }) => when },
  { title: 'NEXT', value: ({ next: [first], paused }) => (paused ? 'paused' : timeOf(first)) },
  { title: 'LAST DRILL', value: ({ runs }) => runs.at(-1) ?? '–' },
  { title: 'WHAT', value: ({ what }) => what },
];

const timeOf = (iso: string | undefined): string => (iso === undefined ? '–' : formatTime(new Date(iso)));

async function list(context: Context): Promise<undefined> {
  const { client } = await context.temporal();
  const schedules: ListedSchedule[] = [];
  for await (const summary of client.schedule.list()) {
    const schedule = listed(summary);
    if (schedule !== undefined) schedules.push(schedule);
  }
  context.terminal.document({ schedules });
  context.terminal.print(schedules.length === 0 ? 'No drills are scheduled.' : table(columns, schedules));
  return undefined;
}

type ShownSchedule = ListedSchedule & {
  readonly plan:
    | {
        readonly site: string;
        readonly vault: string;
        readonly backupSet: string;
        readonly jobId: string;
        readonly vms: readonly string[];
        readonly target: string;
        readonly rtoMs: number | undefined;
      }
    | undefined;
};

/** Throws ClientError ScheduleNotFound. */
async function describe(context: Context, name: string): Promise<ShownSchedule> {
  const { client } = await context.temporal();
  const description = await client.schedule
    .getHandle(drillWorkflowId(name))
    .describe()
    .catch((error: unknown) => {
      throw error instanceof ScheduleNotFoundError ? unknown(name, error) : error;
    });
  const schedule = listed(description);
  if (schedule === undefined) throw unknown(name);
  const { data: input } = drillInputSchema.safeParse(description.action.args?.[0]);
  if (input === undefined) return { ...schedule, plan: undefined };
  const { site, source, vms, target, rtoMs } = input;
  const { vault, backupSet, jobId } = source;
  const names = vms.map((vm) => vm.name);
  return { ...schedule, plan: { site, vault, backupSet, jobId, vms: names, target: target.host, rtoMs } };
}

function unknown(name: string, cause?: unknown): ClientError {
  return new ClientError('ScheduleNotFound', `there is no schedule ${name}`, {
    cause,
    hint: 'See those that there are with: rundirect drill schedule list',
  });
}

function scheduleFacts({ name, when, paused, next, runs, plan }: ShownSchedule): string {
  return facts([
    ['schedule', name],
    ['when', paused ? `${when}, paused` : when],
    ['next', next.length === 0 ? undefined : next.map(timeOf).join(', ')],
    ['VMs', plan?.vms.join(', ')],
    ['from', plan && `${plan.backupSet}/${plan.jobId} in ${plan.vault}`],
    ['target', plan?.target],
    ['target time', plan?.rtoMs === undefined ? undefined : formatDuration(plan.rtoMs)],
    ['site', plan?.site],
    ['drills', runs.length === 0 ? 'none yet' : runs.join(', ')],
  ]);
}

async function remove(context: Context, name: string): Promise<undefined> {
  const { terminal } = context;
  await describe(context, name);
  const { client } = await context.temporal();
  await client.schedule.getHandle(drillWorkflowId(name)).delete();
  terminal.document({ deleted: name });
  terminal.print(`Schedule ${name} is deleted. A drill of it that runs goes on to its end.`);
  return undefined;
}

const examples = `
Examples:
  $ rundirect drill schedule create nightly --every 24h --vault /backups/vault --set nightly --vm web01 \\
      --target esx1.example --user root --rto 5m
  $ rundirect drill schedule create weekly --cron '0 3 * * SUN' --time-zone Europe/Paris …

With Temporal's own tools, or on its web page:
  $ temporal schedule trigger --schedule-id drill:nightly
  $ temporal schedule toggle --schedule-id drill:nightly --pause --reason "host in maintenance"`;

export function addDrillSchedule(drill: Command, act: Act): void {
  const schedule = drill
    .command('schedule')
    .summary('drills that run again and again')
    .description(
      'Drills that run again and again, on Temporal Schedules. Passphrase and password are asked for once; they ' +
        'stay sealed to the site, and open for drills of this name alone. A drill that still runs when the next one ' +
        'is due goes on, and the next one is left out.',
    )
    .addHelpText('after', examples);
  const command = schedule
    .command('create')
    .summary('schedule a drill')
    .description('Schedules a drill. Each run is reported as NAME and the time.')
    .argument('<name>', "the drill's name", drillName)
    .optionsGroup('When:')
    .addOption(
      new Option('--every <duration>', 'as 24h or 7d').argParser(interval).conflicts(['cron', 'timeZone']),
    )
    .option('--cron <expression...>', "as '0 3 * * SUN'")
    .option('--time-zone <name>', 'of --cron, as Europe/Paris (default: UTC)');
  addPlanOptions(command).addHelpText('after', examples).action(act(create));
  schedule
    .command('list')
    .summary('list the schedules')
    .description('Lists the scheduled drills.')
    .action(act(list));
  schedule
    .command('show')
    .summary('show a schedule')
    .description('Shows a scheduled drill: what it runs, when, and its latest drills.')
    .argument('<name>', "the drill's name", drillName)
    .action(
      act(async (context, name: string) => {
        const shown = await describe(context, name);
        context.terminal.document(shown);
        context.terminal.print(scheduleFacts(shown));
        return undefined;
      }),
    );
  schedule
    .command('delete')
    .summary('delete a schedule')
    .description('Deletes a schedule. Reports stay, and a drill that runs goes on to its end.')
    .argument('<name>', "the drill's name", drillName)
    .action(act(remove));
}
