// `rundirect prove`: tries what Run Direct asks of a host on that host, and prints a table of what holds there.
import { setTimeout as delay } from 'node:timers/promises';
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import type { Command } from 'commander';
import {
  type ProveInput,
  ProveMessage,
  type ProveResult,
  type ProveRow,
  type ProveStatus,
  proveIdFor,
  proveInputSchema,
  targetSubject,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../contract/index.ts';
import { seal } from '../../secrets/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { ExitCode } from '../errors/exit-code.ts';
import { flagProblems, proveId, siteOption } from '../options/arguments.ts';
import {
  addPlacement,
  addTarget,
  type PlacementOptions,
  type TargetOptions,
} from '../options/session-options.ts';
import { siteKeyForSealing, targetFingerprint } from '../options/trust.ts';
import { readSecrets } from '../options/typed-secret.ts';
import { randomLetters } from '../random-id.ts';
import { entriesAfter } from '../temporal/follow.ts';
import { interruptionBy, isAborted } from '../temporal/interruption.ts';
import { requireWorkers, type Temporal } from '../temporal/temporal.ts';
import { proveLine, proveText } from '../views/prove-view.ts';
import { logLine } from '../views/session-view.ts';

interface Options extends Partial<TargetOptions>, PlacementOptions {
  readonly datastore?: string;
  readonly site: string;
  readonly detach?: boolean;
  readonly follow?: string;
}

type Account = Pick<TargetOptions, 'target' | 'user'>;

/** Undefined where one is followed that was started before. Throws ClientError Usage. */
function accountOf({ target, user, follow: started }: Options): Account | undefined {
  const isNew = target !== undefined && user !== undefined;
  if (started !== undefined && target === undefined && user === undefined) return undefined;
  if (started === undefined && isNew) return { target, user };
  throw new ClientError(
    'Usage',
    'give --target and --user, or --follow and the id of a proof that was started',
  );
}

const POLL_MS = 500;
const QUERY_TIMEOUT_MS = 5_000;

type Prove = (input: ProveInput) => Promise<ProveResult>;
type Proving = WorkflowHandle<Prove>;

/** The Workflow's input. Asks for what is missing; throws ClientError. */
async function planProof(context: Context, options: Options, { target, user }: Account): Promise<ProveInput> {
  const { site } = options;
  await requireWorkers(await context.temporal(), site);
  const key = await siteKeyForSealing(context, site);
  const fingerprint = await targetFingerprint(context, site, target, options.fingerprint);
  const address = { host: target.host, port: target.port, user };
  const subject = targetSubject(address);
  const source = {
    ...{ name: 'password', subject, file: options.passwordFile },
    stdin: options.passwordStdin ?? false,
  };
  const [password] = await readSecrets([source], context.terminal);
  if (password === undefined) throw new ClientError('SecretUnreadable', 'the password is needed');
  const id = proveIdFor(randomLetters());
  const binding = { workflowId: id, purpose: 'target-password', subject };
  const parsed = proveInputSchema.safeParse({
    proveId: id,
    site,
    target: { ...address, fingerprint, password: seal(key.publicKey, password, binding) },
    placement: { host: options.host, folder: options.folder, resourcePool: options.resourcePool },
    datastore: options.datastore,
  });
  if (!parsed.success) throw new ClientError('Usage', flagProblems(parsed.error), { cause: parsed.error });
  return parsed.data;
}

/** Tells rows and warnings as they become known, until `done`. */
async function tellRows(
  context: Context,
  temporal: Temporal,
  handle: Proving,
  done: AbortSignal,
): Promise<void> {
  const { terminal } = context;
  const told = new Set<string>();
  let last: ProveStatus['log'][number] | undefined;
  for (let over = false; !over; ) {
    await delay(POLL_MS, undefined, { signal: done }).catch(() => undefined);
    // One more look when it is over, so that its last words are not missed.
    over = isAborted(done);
    const status = await temporal.client
      .withDeadline(Date.now() + QUERY_TIMEOUT_MS, () => handle.query<ProveStatus>(ProveMessage.status))
      // Only a look; the proof's own end is what counts.
      .catch(() => undefined);
    if (status === undefined) continue;
    for (const entry of entriesAfter(status.log, last)) {
      if (entry.level !== 'info') terminal.print(logLine(entry, terminal));
      terminal.document({ event: 'log', ...entry });
    }
    last = status.log.at(-1) ?? last;
    for (const row of status.rows.filter((each) => isNews(told, each))) {
      // What was skipped, and why, is told in one place at the end.
      if (row.outcome !== 'skipped') terminal.print(proveLine(row, terminal));
      terminal.document({ event: 'row', ...row });
    }
    terminal.progress(`${status.state}  ${status.step}`);
  }
  terminal.progress('');
}

function isNews(told: Set<string>, row: ProveRow): boolean {
  const text = JSON.stringify(row);
  const isNew = !told.has(text);
  told.add(text);
  return isNew;
}

async function follow(context: Context, temporal: Temporal, handle: Proving): Promise<ProveResult> {
  const done = new AbortController();
  const telling = tellRows(context, temporal, handle, done.signal);
  using interruption = interruptionBy(context.interrupted);
  const result = handle.result();
  let outcome: ProveResult | 'interrupted';
  try {
    outcome = await Promise.race([result, interruption.promise]);
  } finally {
    done.abort();
    await telling;
  }
  if (outcome !== 'interrupted') return outcome;
  // Nobody waits for it any more.
  result.catch(() => undefined);
  const { workflowId } = handle;
  throw new ClientError('Interrupted', `you no longer watch proof ${workflowId}; it goes on`, {
    hint:
      `It removes all of its own at its end. See it with: rundirect prove --follow ${workflowId}. ` +
      `To end it early: temporal workflow cancel --workflow-id ${workflowId}`,
  });
}

async function handleOf(context: Context, options: Options): Promise<Proving> {
  const account = accountOf(options);
  const temporal = await context.temporal();
  if (account === undefined) {
    const handle = temporal.client.workflow.getHandle<Prove>(options.follow ?? '');
    await handle.describe().catch((cause: unknown) => {
      if (!(cause instanceof WorkflowNotFoundError)) throw cause;
      const hint = 'Temporal forgets a proof some time after its end. Run another one.';
      throw new ClientError('SessionNotFound', `there is no proof ${handle.workflowId}`, { cause, hint });
    });
    return handle;
  }
  const input = await planProof(context, options, account);
  return temporal.client.workflow.start<Prove>(WorkflowType.prove, {
    workflowId: input.proveId,
    taskQueue: WORKFLOW_TASK_QUEUE,
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    args: [input],
    staticSummary: `proof of ${input.target.host}`,
  });
}

async function prove(context: Context, options: Options): Promise<ExitCode | undefined> {
  const { terminal } = context;
  const handle = await handleOf(context, options);
  const temporal = await context.temporal();
  terminal.document({ event: 'started', proveId: handle.workflowId });
  terminal.print(`Proof ${handle.workflowId}`);
  if (options.detach === true) {
    terminal.document({ event: 'result', proveId: handle.workflowId });
    return undefined;
  }
  const result = await follow(context, temporal, handle);
  terminal.document({ event: 'result', ...result });
  terminal.print('');
  terminal.print(proveText(result));
  return result.holds && result.leftBehind.length === 0 ? ExitCode.ok : ExitCode.failed;
}

const examples = `
Examples:
  $ rundirect prove --target esx1.example --user root
  $ rundirect prove --target vcenter.example --user backup@vsphere.local --host esx1.example --datastore vmfs01
  $ rundirect prove --follow prove-k3v9q2m4xa --json

It ends with 0 when all that running and stopping a VM needs has held. Other things that were refused say which
feature they are needed for; docs/compatibility.md tells how to read the table. The VM's one network card is never
plugged in. Ctrl-C leaves the proof to go on, and to remove all of its own, by itself.`;

export function addProve(program: Command, act: Act): void {
  const command = program
    .command('prove')
    .summary('try on a host what Run Direct asks of it')
    .description(
      'Tries each thing that Run Direct asks of a host on that host, with a tiny VM of its own, and prints what ' +
        'holds there. It needs no backup, and leaves nothing on the host, whatever happens.',
    );
  // With --follow there is none.
  addTarget(command.optionsGroup('Where:'), { mandatory: false });
  addPlacement(command)
    .option('--datastore <name>', 'a production datastore: what finalize needs is tried on it, too')
    .addOption(siteOption())
    .optionsGroup('How:')
    .option('--detach', 'start, and do not follow')
    .option('--follow <id>', 'follow one that was started, or show one that has ended', proveId)
    .addHelpText('after', examples)
    .action(act(prove));
}
