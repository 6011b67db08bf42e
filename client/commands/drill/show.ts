// `rundirect drill show`: the report of one drill.
import type { Command } from 'commander';
import type { Act } from '../../act.ts';
import { drillId as drillIdArgument, reportFolder, siteOption } from '../../options/arguments.ts';
import { askSite } from '../../temporal/site-workflow.ts';
import { drillText } from '../../views/drill-view.ts';

interface Options {
  readonly site: string;
  readonly reportDir?: string;
}

export function addDrillShow(drill: Command, act: Act): void {
  drill
    .command('show')
    .summary("show a drill's report")
    .description("Shows a drill's report; with --json all of it. The HTML file at the site has the pictures.")
    .argument('<id>', "the drill's id, as `rundirect drill list` shows it", drillIdArgument)
    .addOption(siteOption())
    .option('--report-dir <dir>', 'where the drill wrote it, if it was said', reportFolder)
    .addHelpText('after', '\nExample:\n  $ rundirect drill show nightly-20261123t030000z')
    .action(
      act(async (context, drillId: string, { site, reportDir }: Options) => {
        const input = { site, drillId, ...(reportDir === undefined ? {} : { reportFolder: reportDir }) };
        const result = await askSite(await context.temporal(), 'drillReport', input, context.waiting);
        context.terminal.document(result);
        context.terminal.print(drillText(result));
        return undefined;
      }),
    );
}
