// `rundirect drill list`: the latest reports of a site's drills.
import { type Command, InvalidArgumentError } from 'commander';
import { MAX_LISTED_DRILLS } from '../../../contract/index.ts';
import type { Act } from '../../act.ts';
import { count, reportFolder, siteOption } from '../../options/arguments.ts';
import { askSite } from '../../temporal/site-workflow.ts';
import { drillTable } from '../../views/drill-view.ts';
import { printable } from '../../views/table.ts';

interface Options {
  readonly site: string;
  readonly reportDir?: string;
  readonly limit: number;
}

const DEFAULT_LIMIT = 20;

function limit(text: string): number {
  const value = count(text);
  if (value > MAX_LISTED_DRILLS) throw new InvalidArgumentError(`at most ${MAX_LISTED_DRILLS} at a time`);
  return value;
}

export function addDrillList(drill: Command, act: Act): void {
  drill
    .command('list')
    .summary('list the latest reports')
    .description('Lists the latest reports of drills, as they lie at the site, newest first.')
    .addOption(siteOption())
    .option('--report-dir <dir>', 'where the drills wrote them, if it was said', reportFolder)
    .option('--limit <n>', 'at most so many', limit, DEFAULT_LIMIT)
    .addHelpText('after', '\nExample:\n  $ rundirect drill list')
    .action(
      act(async (context, { site, reportDir, limit: most }: Options) => {
        const input = { site, limit: most, ...(reportDir === undefined ? {} : { reportFolder: reportDir }) };
        const listing = await askSite(await context.temporal(), 'drillReports', input, context.waiting);
        context.terminal.document(listing);
        context.terminal.print(drillTable(listing.drills));
        for (const why of listing.damaged) context.terminal.note(printable(`can't be read: ${why}`));
        return undefined;
      }),
    );
}
