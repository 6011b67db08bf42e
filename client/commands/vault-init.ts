// `rundirect vault init`: makes a vault in an empty or new folder of the site.
import type { Command } from 'commander';
import type { Act } from '../act.ts';
import { siteOption, vaultOption } from '../options/arguments.ts';
import { askSite } from '../temporal/site-workflow.ts';
import { shellWord } from '../views/shell-word.ts';

interface Options {
  readonly vault: string;
  readonly site: string;
}

export function addVaultInit(vault: Command, act: Act): void {
  vault
    .command('init')
    .summary('make a vault')
    .description('Makes a vault in a folder of the site that is new or empty.')
    .addOption(vaultOption())
    .addOption(siteOption())
    .addHelpText('after', '\nExample:\n  $ rundirect vault init --vault /backups/vault')
    .action(
      act(async (context, options: Options) => {
        const { terminal } = context;
        const made = await askSite(await context.temporal(), 'vaultInit', options, context.waiting);
        terminal.document(made);
        terminal.print(`Made the vault ${made.vault} (${made.vaultId}).`);
        terminal.print(
          terminal.style('dim', `Next: rundirect backup --vault ${shellWord(made.vault)} --set NAME FOLDER`),
        );
        return undefined;
      }),
    );
}
