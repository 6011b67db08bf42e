// `rundirect show`: one session, or one batch, with its log. Where no worker answers, what Temporal itself knows of it.
import type { WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import type { BatchStatus } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { sessionId as sessionIdArgument } from '../options/arguments.ts';
import { formatTime } from '../quantity.ts';
import { type ListedSession, listedSession } from '../session/session-list.ts';
import { findStarted } from '../session/session-lookup.ts';
import { queryStatus } from '../temporal/follow.ts';
import { pendingTroubles } from '../temporal/trouble.ts';
import { batchFacts, batchTable } from '../views/batch-view.ts';
import { logLine, sessionFacts } from '../views/session-view.ts';
import { facts } from '../views/table.ts';

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
  const { kind, handle, description } = await findStarted(temporal, sessionId);
  const listed = listedSession(description);
  if (kind === 'batch') return showBatch(context, handle, listed);
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

async function showBatch(
  context: Context,
  handle: WorkflowHandle,
  listed: ListedSession,
): Promise<undefined> {
  const { terminal } = context;
  const temporal = await context.temporal();
  const status = await queryStatus<BatchStatus>(temporal, handle).catch(() => undefined);
  const troubles = await pendingTroubles(temporal, handle);
  terminal.document({ batch: status ?? null, listed, troubles });
  if (status === undefined) {
    terminal.note('No worker answers for it, so this is what Temporal itself knows.');
    terminal.print(listedFacts(listed));
  } else {
    terminal.print(`${batchFacts(status)}\n\n${batchTable(status.vms)}\n`);
    for (const entry of status.log) terminal.print(logLine(entry, terminal));
  }
  for (const trouble of troubles) terminal.print(terminal.style('yellow', trouble));
  return undefined;
}

export function addShow(program: Command, act: Act): void {
  program
    .command('show')
    .summary('show a session, or a batch, and its log')
    .description(
      'Shows a session: state, progress, times, verify, and its log; or a batch with its sessions.',
    )
    .argument('<session>', 'the id of a session, or of a batch', sessionIdArgument)
    .addHelpText('after', '\nExample:\n  $ rundirect show web01-k3v9q2m4xa')
    .action(act(show));
}
