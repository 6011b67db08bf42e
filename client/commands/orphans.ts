// `rundirect orphans`: what is left at a site of sessions whose Workflow ended without undoing anything.
import type { Command } from 'commander';
import type { Act } from '../act.ts';
import { siteOption } from '../options/arguments.ts';
import { askSite } from '../temporal/site-workflow.ts';
import { orphansTable } from '../views/orphans-view.ts';

const examples = `
Each is removed, with its VM and all that its guest wrote, by: rundirect clean-up SESSION

Examples:
  $ rundirect orphans
  $ rundirect orphans --site paris --json`;

export function addOrphans(program: Command, act: Act): void {
  program
    .command('orphans')
    .summary('list what terminated sessions have left')
    .description(
      'Lists what is left at a site of sessions that no Workflow answers for any more: one that was terminated in ' +
        'Temporal, or whose history is gone, has undone nothing. The gateway knows them all by their exports, which are ' +
        'made first and dropped last. Nothing is changed.',
    )
    .addOption(siteOption())
    .addHelpText('after', examples)
    .action(
      act(async (context, { site }: { readonly site: string }) => {
        const { terminal } = context;
        const found = await askSite(await context.temporal(), 'orphans', { site }, context.waiting);
        terminal.document(found);
        terminal.print(
          found.orphans.length === 0
            ? `Nothing is left at site ${site} but what belongs to a session.`
            : orphansTable(found.orphans),
        );
        return undefined;
      }),
    );
}
