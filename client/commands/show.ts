// `rundirect show`: one session, with its log. Where no worker answers, what Temporal itself knows of it.
import type { Command } from 'commander';
import type { Act } from '../act.ts';
import { sessionId as sessionIdArgument } from '../arguments.ts';
import type { Context } from '../context.ts';
import { queryStatus } from '../follow.ts';
import { formatTime } from '../quantity.ts';
import { type ListedSession, listedSession } from '../session-list.ts';
import { findSession } from '../session-lookup.ts';
import { logLine, sessionFacts } from '../session-view.ts';
import { facts } from '../table.ts';
import { pendingTroubles } from '../trouble.ts';

function listedFacts(listed: ListedSession): string {
  return facts([
    ['session', listed.sessionId],
    ['state', listed.state],
    ['VM', listed.vm],
    ['from', listed.backupSet],
    ['target', listed.target],
    ['site', listed.site],
    ['started', formatTime(new Date(listed.startedAt))],
    ['ended', listed.endedAt === undefined ? undefined : formatTime(new Date(listed.endedAt))],
  ]);
}

async function show(context: Context, sessionId: string): Promise<undefined> {
  const { terminal } = context;
  const temporal = await context.temporal();
  const { handle, description } = await findSession(temporal, sessionId);
  const listed = listedSession(description);
  const status = await queryStatus(temporal, handle).catch(() => undefined);
  const troubles = await pendingTroubles(temporal, handle);
  terminal.document({ session: status ?? null, listed, troubles });
  if (status === undefined) {
    terminal.note('No worker answers for it, so this is what Temporal itself knows.');
    terminal.print(listedFacts(listed));
  } else {
    terminal.print(sessionFacts(status));
    terminal.print('');
    for (const entry of status.log) terminal.print(logLine(entry, terminal));
  }
  for (const trouble of troubles) terminal.print(terminal.style('yellow', trouble));
  return undefined;
}

export function addShow(program: Command, act: Act): void {
  program
    .command('show')
    .summary('show a session and its log')
    .description('Shows a session: state, progress, times, verify, and its log.')
    .argument('<session>', "the session's id", sessionIdArgument)
    .addHelpText('after', '\nExample:\n  $ rundirect show web01-k3v9q2m4xa')
    .action(act(show));
}
