// `rundirect watch`: a session's progress and log, or a batch's, live.
import type { Command } from 'commander';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import type { ExitCode } from '../errors/exit-code.ts';
import { sessionId as sessionIdArgument } from '../options/arguments.ts';
import { awaitBatch, exitCodeOfBatch, isBatchSettled } from '../session/await-batch.ts';
import { awaitSession, exitCodeOf, isSettled } from '../session/await-session.ts';
import { findStarted } from '../session/session-lookup.ts';
import { batchTable } from '../views/batch-view.ts';
import { sessionFacts } from '../views/session-view.ts';

interface Options {
  readonly follow?: boolean;
}

async function watchBatch(context: Context, batchId: string, follow: boolean): Promise<ExitCode | undefined> {
  const { terminal } = context;
  const status = await awaitBatch(context, batchId, (now) => !follow && isBatchSettled(now));
  terminal.document({ event: 'result', batch: status ?? null });
  if (status === undefined) return undefined;
  terminal.print(`\n${batchTable(status.vms)}`);
  return exitCodeOfBatch(status, ({ failure }) => failure === undefined);
}

export function addWatch(program: Command, act: Act): void {
  program
    .command('watch')
    .summary('follow a session, or a batch, live')
    .description(
      'Shows the progress and the log of a session, live, until it runs and its guest is up, or it ends.',
    )
    .argument('<session>', 'the id of a session, or of a batch', sessionIdArgument)
    .option('--follow', 'go on watching while it runs, until it ends')
    .addHelpText('after', '\nExample:\n  $ rundirect watch --follow web01-k3v9q2m4xa')
    .action(
      act(async (context, sessionId: string, { follow = false }: Options) => {
        const { terminal } = context;
        const { kind } = await findStarted(await context.temporal(), sessionId);
        if (kind === 'batch') return watchBatch(context, sessionId, follow);
        const status = await awaitSession(context, sessionId, (now) => !follow && isSettled(now));
        terminal.document({ event: 'result', session: status ?? null });
        if (status === undefined) return undefined;
        terminal.print(`\n${sessionFacts(status)}`);
        return exitCodeOf(status);
      }),
    );
}
