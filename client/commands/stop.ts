// `rundirect stop`: removes a session's VM and discards its changes. The session answers when all of it is gone,
// or says why it is not; meanwhile its log is shown.
import type { Command } from 'commander';
import { SessionMessage, type StopRequest, type StopResult } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import { sessionId as sessionIdArgument, stopReason } from '../arguments.ts';
import { askSession } from '../ask-session.ts';
import type { Context } from '../context.ts';
import { logLine, progressLine } from '../session-view.ts';

interface Options {
  readonly reason?: string;
}

const words: Partial<Record<StopResult['state'], string>> = {
  stopped: 'is stopped: its VM, its changes and its place on the host are gone',
  finalized: 'is ended: somebody had moved its VM to production storage, where it was left to run',
  cancelled: 'was still starting: the start is undone',
};

async function stop(context: Context, sessionId: string, { reason }: Options): Promise<undefined> {
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

export function addStop(program: Command, act: Act): void {
  program
    .command('stop')
    .summary("remove a session's VM and discard its changes")
    .description(
      "Removes a session's VM from its host and discards all that it changed. The backup stays as it is.\n" +
        'A VM that somebody has moved to production storage goes on running there.',
    )
    .argument('<session>', "the session's id", sessionIdArgument)
    .option('--reason <text>', 'kept in the history', stopReason)
    .addHelpText('after', '\nExample:\n  $ rundirect stop web01-k3v9q2m4xa --reason "restore test done"')
    .action(act(stop));
}
