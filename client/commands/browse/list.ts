// `rundirect browse list`: those that are open.
import type { Command } from 'commander';
import { WorkflowType } from '../../../contract/index.ts';
import type { Act } from '../../act.ts';
import { formatTime } from '../../quantity.ts';
import { listedSession } from '../../session/session-list.ts';
import type { Temporal } from '../../temporal/temporal.ts';
import { type Column, table } from '../../views/table.ts';

interface ListedBrowse {
  readonly browseId: string;
  readonly vm: string;
  readonly backupSet: string;
  readonly site: string;
  readonly state: string;
  readonly startedAt: string;
}

/** Nobody has so many open. */
const MAX_LISTED = 1_000;

const columns: readonly Column<ListedBrowse>[] = [
  { title: 'BROWSE', value: ({ browseId }) => browseId },
  { title: 'VM', value: ({ vm }) => vm },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'SET', value: ({ backupSet }) => backupSet },
  { title: 'SITE', value: ({ site }) => site },
  { title: 'OPENED', value: ({ startedAt }) => formatTime(new Date(startedAt)) },
];

async function listBrowses(temporal: Temporal): Promise<ListedBrowse[]> {
  const query = `WorkflowType = '${WorkflowType.browse}' AND ExecutionStatus = 'Running'`;
  const browses: ListedBrowse[] = [];
  for await (const info of temporal.client.workflow.list({ query, pageSize: MAX_LISTED })) {
    const { sessionId: browseId, vm, backupSet, site, state, startedAt } = listedSession(info);
    browses.push({ browseId, vm, backupSet, site, state, startedAt });
    if (browses.length === MAX_LISTED) break;
  }
  return browses;
}

export function addBrowseList(browse: Command, act: Act): void {
  browse
    .command('list')
    .summary('list what is open')
    .description('Lists what is open, newest first.')
    .addHelpText('after', '\nExample:\n  $ rundirect browse list')
    .action(
      act(async (context) => {
        const { terminal } = context;
        const browses = await listBrowses(await context.temporal());
        terminal.document({ browses });
        terminal.print(browses.length === 0 ? 'Nothing is open.' : table(columns, browses));
        return undefined;
      }),
    );
}
