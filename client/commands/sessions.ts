// `rundirect sessions`: the sessions that run, or all of them.
import { type Command, Option } from 'commander';
import type { SessionState } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import { count, siteName } from '../options/arguments.ts';
import { formatDuration, formatTime } from '../quantity.ts';
import { type ListedSession, listSessions } from '../session/session-list.ts';
import { type Column, table } from '../views/table.ts';
import { throttleText } from '../views/throttle-view.ts';

interface Options {
  readonly all?: boolean;
  readonly state?: string;
  readonly site?: string;
  readonly limit: number;
}

const DEFAULT_LIMIT = 200;

/** Every state, so that a typing error is told and not searched for. */
const states = {
  preflight: true,
  starting: true,
  running: true,
  finalizing: true,
  restoring: true,
  stopping: true,
  stopped: true,
  finalized: true,
  restored: true,
  failed: true,
  cancelled: true,
} as const satisfies Record<SessionState, true>;

const lasted = ({ startedAt, endedAt }: ListedSession): string =>
  formatDuration((endedAt === undefined ? Date.now() : Date.parse(endedAt)) - Date.parse(startedAt));

const columns: readonly Column<ListedSession>[] = [
  { title: 'SESSION', value: ({ sessionId }) => sessionId },
  { title: 'VM', value: ({ vm }) => vm },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'TARGET', value: ({ target }) => target },
  { title: 'SET', value: ({ backupSet }) => backupSet },
  { title: 'SITE', value: ({ site }) => site },
  { title: 'STARTED', value: ({ startedAt }) => formatTime(new Date(startedAt)) },
  { title: 'FOR', align: 'right', value: lasted },
];

/** Beside the others where there is something in them. */
const batchColumn: Column<ListedSession> = { title: 'BATCH', value: ({ batch }) => batch ?? '–' };
const copyColumn: Column<ListedSession> = {
  title: 'COPY',
  value: ({ throttle }) => (throttle && throttleText(throttle)) ?? '–',
};

const columnsFor = (sessions: readonly ListedSession[]): readonly Column<ListedSession>[] => [
  ...columns,
  ...(sessions.some(({ throttle }) => throttle !== undefined) ? [copyColumn] : []),
  ...(sessions.some(({ batch }) => batch !== undefined) ? [batchColumn] : []),
];

export function addSessions(program: Command, act: Act): void {
  program
    .command('sessions')
    .summary('list sessions')
    .description('Lists the sessions that are under way, newest first.')
    .option('--all', 'those that have ended, too')
    .addOption(new Option('--state <state>', 'only sessions in this state').choices(Object.keys(states)))
    .option('--site <name>', 'only sessions of this site', siteName)
    .option('--limit <n>', 'at most so many', count, DEFAULT_LIMIT)
    .addHelpText(
      'after',
      '\nExamples:\n  $ rundirect sessions\n  $ rundirect sessions --state failed\n  $ rundirect sessions --site paris\n  $ rundirect sessions --all --json',
    )
    .action(
      act(async (context, { all = false, state, site, limit }: Options) => {
        const { terminal } = context;
        const listing = await listSessions(await context.temporal(), { all, state, site, limit });
        terminal.document(listing);
        if (listing.sessions.length === 0) terminal.print('No sessions.');
        else terminal.print(table(columnsFor(listing.sessions), listing.sessions));
        if (listing.more) terminal.note(`There are more; --limit shows them.`);
        return undefined;
      }),
    );
}
