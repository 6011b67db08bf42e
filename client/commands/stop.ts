// `rundirect stop`: removes a session's VM, or all of a batch, and discards the changes. The session answers when all
// of it is gone, or says why it is not; meanwhile its log is shown.
import type { Command } from 'commander';
import { SessionMessage, type StopRequest, type StopResult } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import type { ExitCode } from '../errors/exit-code.ts';
import { onlyOption, sessionId as sessionIdArgument, stopReason } from '../options/arguments.ts';
import { askSession } from '../session/ask-session.ts';
import { findStarted } from '../session/session-lookup.ts';
import { logLine, progressLine } from '../views/session-view.ts';
import { type OnlyOption, refuseOnly, stopBatch } from './batch-orders.ts';

interface Options extends OnlyOption {
  readonly reason?: string;
}

const words: Partial<Record<StopResult['state'], string>> = {
  stopped: 'is stopped: its VM, its changes and its place on the host are gone',
  finalized: 'is ended: somebody had moved its VM to production storage, where it was left to run',
  cancelled: 'was not there yet: what it had begun is undone',
};

async function stop(context: Context, id: string, options: Options): Promise<ExitCode | undefined> {
  const { kind, handle, description } = await findStarted(await context.temporal(), id);
  if (kind === 'batch') return stopBatch(context, handle, description.closeTime !== undefined, options);
  refuseOnly(options);
  return stopSession(context, id, options);
}

async function stopSession(context: Context, sessionId: string, { reason }: Options): Promise<undefined> {
  const { terminal } = context;
  const request: StopRequest = reason === undefined ? {} : { reason };
  const result = await askSession<StopResult>(context, sessionId, {
    what: 'stop',
    ask: (handle) =>
      handle.executeUpdate<StopResult, [StopRequest]>(SessionMessage.stop, { args: [request] }),
    onStatus: (status, newEntries) => {
      for (const entry of newEntries) terminal.print(logLine(entry, terminal));
      terminal.progress(progressLine(status));
    },
  });
  terminal.document(result);
  terminal.print(`Session ${sessionId} ${words[result.state] ?? `is ${result.state}`}.`);
  return undefined;
}

const examples = `
Of a batch, each session says for itself whether it could be stopped; the command ends with 1 if one of them could not,
and may be given again.

Examples:
  $ rundirect stop web01-k3v9q2m4xa --reason "restore test done"
  $ rundirect stop nightly-k3v9q2m4xa
  $ rundirect stop nightly-k3v9q2m4xa --only nightly-k3v9q2m4xa-2 nightly-k3v9q2m4xa-3`;

export function addStop(program: Command, act: Act): void {
  program
    .command('stop')
    .summary('remove VMs and discard their changes')
    .description(
      "Removes a session's VM from its host and discards all that it changed. The backup stays as it is.\n" +
        'A VM that somebody has moved to production storage goes on running there.',
    )
    .argument('<session>', 'the id of a session, or of a batch: all that is left of it', sessionIdArgument)
    .addOption(onlyOption())
    .option('--reason <text>', 'kept in the history', stopReason)
    .addHelpText('after', examples)
    .action(act(stop));
}
