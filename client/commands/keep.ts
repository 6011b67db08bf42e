// `rundirect keep`: a running session's changes become a job of its backup set, while the VM runs on. Shows how far
// it is; Ctrl-C leaves it under way, `--cancel` calls it off.
import { type Command, Option } from 'commander';
import { type CancelKeepResult, type KeepResult, SessionMessage } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { sessionId as sessionIdArgument } from '../options/arguments.ts';
import { formatBytes, formatDuration, formatTime } from '../quantity.ts';
import { askSession } from '../session/ask-session.ts';
import { findOne } from '../session/session-lookup.ts';
import { showChange } from '../views/session-view.ts';
import { facts } from '../views/table.ts';

interface Options {
  readonly detach?: boolean;
  readonly cancel?: boolean;
}

async function keep(context: Context, sessionId: string, options: Options): Promise<undefined> {
  await findOne(await context.temporal(), sessionId, 'kept');
  if (options.cancel === true) return cancel(context, sessionId);
  return options.detach === true ? begin(context, sessionId) : run(context, sessionId);
}

async function run(context: Context, sessionId: string): Promise<undefined> {
  const { terminal } = context;
  const result = await askSession<KeepResult>(context, sessionId, {
    what: 'keep',
    ask: (handle) => handle.executeUpdate<KeepResult, []>(SessionMessage.keep),
    onStatus: (status, newEntries) => showChange(terminal, status, newEntries),
  });
  terminal.document({ event: 'result', result });
  terminal.print(keepFacts(result));
  return undefined;
}

function keepFacts({ backupSet, job, at, baseJobId, readBytes, durationMs }: KeepResult): string {
  return facts([
    ['job', job.jobId],
    ['set', backupSet],
    ['as it was', formatTime(new Date(at))],
    ['builds on', baseJobId],
    ['VM', job.vms.map((vm) => vm.name).join(', ')],
    ['read', formatBytes(readBytes)],
    ['stored', formatBytes(job.storedBytes)],
    ['took', formatDuration(durationMs)],
  ]);
}

async function begin(context: Context, sessionId: string): Promise<undefined> {
  const { terminal } = context;
  await askSession(context, sessionId, {
    what: 'keep',
    ask: (handle) => handle.startUpdate<KeepResult, []>(SessionMessage.keep, { waitForStage: 'ACCEPTED' }),
  });
  terminal.document({ event: 'result', sessionId, keep: 'underWay' });
  terminal.print(`Session ${sessionId} is being kept. Watch it with: rundirect watch --follow ${sessionId}`);
  return undefined;
}

const outcomeWords: Readonly<Record<CancelKeepResult['outcome'], string>> = {
  cancelled: 'is called off: no job was made',
  failed: 'had failed already: no job was made',
  kept: 'was done already: the job is there',
};

async function cancel(context: Context, sessionId: string): Promise<undefined> {
  const { terminal } = context;
  const result = await askSession<CancelKeepResult>(context, sessionId, {
    what: 'cancel',
    ask: (handle) => handle.executeUpdate<CancelKeepResult, []>(SessionMessage.cancelKeep),
    onStatus: (status, newEntries) => showChange(terminal, status, newEntries),
  });
  terminal.document({ event: 'result', ...result });
  terminal.print(`The keep of ${sessionId} ${outcomeWords[result.outcome]}. The session runs on.`);
  return undefined;
}

const examples = `
The job shows one moment after the command: every write that the guest had finished by then is in it, on all disks
alike, as after a power cut. The guest does not wait for it. Only what changed is read and stored, on top of the job that
the session runs from, whatever came after that; no passphrase is needed. Refused while the VM has a snapshot, or a disk
that its backup does not know, and while the session is being finalized or stopped.

Examples:
  $ rundirect keep web01-k3v9q2m4xa
  $ rundirect keep web01-k3v9q2m4xa --detach
  $ rundirect keep web01-k3v9q2m4xa --cancel
  $ rundirect vault list --vault /backups/vault --set nightly      says from which session a job was kept`;

export function addKeep(program: Command, act: Act): void {
  program
    .command('keep')
    .summary("make a running session's changes a job")
    .description(
      'Makes the changes of a running session a new job of its backup set, while the VM runs on. It can be run from, ' +
        'restored and built upon as any other.',
    )
    .argument('<session>', "the session's id", sessionIdArgument)
    .option('--detach', 'begin, and do not follow')
    .addOption(new Option('--cancel', 'call off the keep that is under way').conflicts(['detach']))
    .addHelpText('after', examples)
    .action(act(keep));
}
