// `rundirect clean-up`: removes what a session has left whose Workflow ended without undoing anything. The clean-up is a
// Workflow under the session's own id, so Temporal refuses it as long as the session is open.
import { performance } from 'node:perf_hooks';
import { WorkflowExecutionAlreadyStartedError, type WorkflowExecutionDescription } from '@temporalio/client';
import { type Command, Option } from 'commander';
import {
  type CleanUpInput,
  drillOfSession,
  drillWorkflowId,
  type Orphan,
  proveOfSession,
  type SessionState,
  type Target,
  type TargetAddress,
  targetSubject,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../contract/index.ts';
import { seal } from '../../secrets/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import type { ExitCode } from '../errors/exit-code.ts';
import { DEFAULT_SITE, sessionId as sessionIdArgument, siteName } from '../options/arguments.ts';
import { addTarget, type TargetOptions } from '../options/session-options.ts';
import { siteKeyForSealing, targetFingerprint } from '../options/trust.ts';
import { readSecrets } from '../options/typed-secret.ts';
import { awaitSession, exitCodeOf } from '../session/await-session.ts';
import { describeRun, startedWith } from '../temporal/ended-run.ts';
import { requireSettled } from '../temporal/settled.ts';
import { askSite } from '../temporal/site-workflow.ts';
import { requireWorkers } from '../temporal/temporal.ts';

interface Options extends Partial<TargetOptions> {
  readonly site?: string;
  readonly powerOff?: boolean;
  readonly settled?: boolean;
  readonly detach?: boolean;
}

/** Under which the session's steps were, and its clean-up's are, asked for. */
const workflowIdOf = (sessionId: string): string => proveOfSession(sessionId) ?? sessionId;

async function cleanUp(context: Context, sessionId: string, options: Options): Promise<ExitCode | undefined> {
  const temporal = await context.temporal();
  const run = await describeRun(temporal.client.workflow.getHandle(workflowIdOf(sessionId)));
  if (run !== undefined && isOpen(run)) {
    if (run.type !== WorkflowType.cleanUp) throw runs(sessionId, run.type);
    return follow(context, sessionId, options);
  }
  if (run?.type === WorkflowType.batch) throw isBatch(sessionId);
  const before = run && (await startedWith(temporal, run));
  const site = before?.site ?? options.site ?? DEFAULT_SITE;
  await requireWorkers(temporal, site);
  const orphan = await orphanOf(context, site, sessionId);
  requireSettled(orphan, options.settled === true);
  const target = orphan.readOnly ? undefined : await targetOf(context, site, orphan, before?.target, options);
  await begin(context, {
    ...{
      sessionId,
      site,
      commandedAtMs: Math.floor(performance.timeOrigin),
      powerOff: options.powerOff === true,
    },
    source: { ...orphan.source, vmName: orphan.vm },
    ...(target === undefined ? {} : { target }),
  });
  context.terminal.document({ event: 'started', sessionId });
  return follow(context, sessionId, options);
}

const isOpen = ({ closeTime }: WorkflowExecutionDescription): boolean => closeTime === undefined;

/** What ends that which no stop does. */
const endOf: Partial<Record<string, (workflowId: string) => string>> = {
  [WorkflowType.browse]: (id) => `rundirect browse close ${id}`,
  [WorkflowType.prove]: (id) => `temporal workflow cancel --workflow-id ${id}`,
};

function runs(sessionId: string, type: string): ClientError {
  return new ClientError(
    'SessionRuns',
    `${sessionId} still runs: its Workflow is open, and removes it itself`,
    { hint: `End it with: ${endOf[type]?.(workflowIdOf(sessionId)) ?? `rundirect stop ${sessionId}`}` },
  );
}

const isBatch = (batchId: string): ClientError =>
  new ClientError('Usage', `${batchId} is a batch: what is left is its sessions', each of its own`, {
    hint: 'See those that are left with: rundirect orphans',
  });

/** Throws ClientError NothingLeft. */
async function orphanOf(context: Context, site: string, sessionId: string): Promise<Orphan> {
  const { orphans } = await askSite(await context.temporal(), 'orphans', { site }, context.waiting);
  const found = orphans.find((orphan) => orphan.sessionId === sessionId);
  if (found !== undefined) return found;
  throw new ClientError('NothingLeft', `nothing of ${sessionId} is left at site ${site}`, {
    hint: 'See what is left with: rundirect orphans --site NAME',
  });
}

/** As the session had it, unless something else is said. Throws ClientError Usage where neither is known. */
async function targetOf(
  context: Context,
  site: string,
  { sessionId, target: known }: Orphan,
  before: Target | undefined,
  options: Options,
): Promise<Target> {
  const given = [
    options.target,
    options.user,
    options.fingerprint,
    options.passwordFile,
    options.passwordStdin,
  ];
  if (before !== undefined && given.every((each) => each === undefined)) return before;
  const address: TargetAddress | undefined = options.target ?? before;
  const user = options.user ?? before?.user;
  if (address === undefined || user === undefined) {
    throw new ClientError(
      'Usage',
      `Temporal does not know ${sessionId} any more: say where it is (${known})`,
      {
        hint: `Give --target and --user, as at its start; they are asked for the password.`,
      },
    );
  }
  const where = { host: address.host, port: address.port, user };
  const key = await siteKeyForSealing(context, site);
  const fingerprint =
    options.target === undefined && options.fingerprint === undefined && before !== undefined
      ? before.fingerprint
      : await targetFingerprint(context, site, address, options.fingerprint);
  const subject = targetSubject(where);
  const password = await readPassword(context, subject, options);
  const workflowId = secretOwner(sessionId);
  return {
    ...{ ...where, fingerprint },
    password: seal(key.publicKey, password, { workflowId, purpose: 'target-password', subject }),
  };
}

/** A drill's secrets are its own, whichever of its sessions needs them. */
function secretOwner(sessionId: string): string {
  const drill = drillOfSession(sessionId);
  return drill === undefined ? workflowIdOf(sessionId) : drillWorkflowId(drill.name);
}

async function readPassword(
  { terminal }: Context,
  subject: string,
  { passwordFile, passwordStdin = false }: Options,
): Promise<Uint8Array> {
  const source = { name: 'password', subject, file: passwordFile, stdin: passwordStdin };
  const [password] = await readSecrets([source], terminal);
  if (password === undefined) throw new ClientError('SecretUnreadable', 'the password is needed');
  return password;
}

/** Throws ClientError SessionRuns where somebody has begun one meanwhile. */
async function begin(context: Context, input: CleanUpInput): Promise<void> {
  const { client } = await context.temporal();
  const { sessionId, source } = input;
  try {
    await client.workflow.start(WorkflowType.cleanUp, {
      workflowId: workflowIdOf(sessionId),
      taskQueue: WORKFLOW_TASK_QUEUE,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      args: [input],
      staticSummary: `Clean-up after ${sessionId}`,
      staticDetails: `Removes what session \`${sessionId}\` of VM \`${source.vmName}\` has left at site \`${input.site}\`.`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new ClientError('SessionRuns', `somebody has begun to clean up after ${sessionId} just now`, {
      cause: error,
      hint: `Follow it with: rundirect watch --follow ${workflowIdOf(sessionId)}`,
    });
  }
}

const words: Partial<Record<SessionState, string>> = {
  stopped: 'is cleaned up: its VM, its changes and its place on the host are gone',
  finalized: 'is cleaned up: its VM is in production, where it was left to run',
};

async function follow(
  context: Context,
  sessionId: string,
  { detach }: Options,
): Promise<ExitCode | undefined> {
  const { terminal } = context;
  if (detach === true) {
    terminal.document({ event: 'result', sessionId });
    terminal.print(`Follow it with: rundirect watch --follow ${workflowIdOf(sessionId)}`);
    return undefined;
  }
  const status = await awaitSession(context, workflowIdOf(sessionId), () => false);
  terminal.document({ event: 'result', session: status ?? null });
  if (status === undefined) return undefined;
  // Of a proof, it may be another round's.
  terminal.print(`Session ${status.sessionId} ${words[status.state] ?? `is ${status.state}`}.`);
  return exitCodeOf(status);
}

const examples = `
What its guest wrote since the start is discarded, as by a stop. A VM that runs is powered off only with --power-off; one
that somebody moved to production goes on running there; one that is only partly the session's is left alone, with all
that it stands on. Target and password are taken from the start, as long as Temporal knows it. What a finalize, a restore
or a proof began in production is named, and is yours to settle before; then say --settled.
Given again, it goes on where it stood.

Examples:
  $ rundirect orphans
  $ rundirect clean-up web01-k3v9q2m4xa
  $ rundirect clean-up web01-k3v9q2m4xa --power-off
  $ rundirect clean-up web01-k3v9q2m4xa --password-file root.pw        (the password has changed since)
  $ rundirect clean-up web01-k3v9q2m4xa --site main --target esx1.example --user root     (Temporal knows it no more)`;

export function addCleanUp(program: Command, act: Act): void {
  const command = program
    .command('clean-up')
    .summary('remove what a terminated session has left')
    .description(
      'Removes all that a session has left whose Workflow was terminated, or is gone with its history: VM, mount, ' +
        'lease, export, changes and their folder, turn, the network of a drill.',
    )
    .argument('<session>', 'the id as `rundirect orphans` shows it', sessionIdArgument)
    .addOption(
      new Option(
        '--site <name>',
        `its site, where Temporal knows it no more (default: ${DEFAULT_SITE})`,
      ).argParser(siteName),
    )
    .option('--power-off', 'power the VM off, hard, where it runs')
    .option('--settled', 'what it left in production is looked after')
    .option('--detach', 'start it, and do not follow');
  addTarget(command.optionsGroup('Where it is, if not as at its start:'), { mandatory: false })
    .addHelpText('after', examples)
    .action(act(cleanUp));
}
