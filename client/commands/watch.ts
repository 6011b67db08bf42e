// `rundirect watch`: a session's progress and log, live.
import type { Command } from 'commander';
import type { Act } from '../act.ts';
import { sessionId as sessionIdArgument } from '../arguments.ts';
import { awaitSession, exitCodeOf, isSettled } from '../await-session.ts';
import { findSession } from '../session-lookup.ts';
import { sessionFacts } from '../session-view.ts';

interface Options {
  readonly follow?: boolean;
}

export function addWatch(program: Command, act: Act): void {
  program
    .command('watch')
    .summary('follow a session live')
    .description(
      'Shows the progress and the log of a session, live, until it runs and its guest is up, or it ends.',
    )
    .argument('<session>', "the session's id", sessionIdArgument)
    .option('--follow', 'go on watching while it runs, until it ends')
    .addHelpText('after', '\nExample:\n  $ rundirect watch --follow web01-k3v9q2m4xa')
    .action(
      act(async (context, sessionId: string, { follow = false }: Options) => {
        const { terminal } = context;
        await findSession(await context.temporal(), sessionId);
        const status = await awaitSession(context, sessionId, (now) => !follow && isSettled(now));
        terminal.document({ event: 'result', session: status ?? null });
        if (status === undefined) return undefined;
        terminal.print(`\n${sessionFacts(status)}`);
        return exitCodeOf(status);
      }),
    );
}
