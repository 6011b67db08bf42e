// `rundirect site show`: the key that a site shows, beside the one that is pinned here.
import type { Command } from 'commander';
import type { Act } from '../act.ts';
import { ExitCode } from '../errors/exit-code.ts';
import { siteOption } from '../options/arguments.ts';
import { askSiteKey, pinnedSiteKey, siteKeyChanged } from '../options/trust.ts';
import { facts } from '../views/table.ts';

export function addSiteShow(site: Command, act: Act): void {
  site
    .command('show')
    .summary("show a site's key")
    .description("Shows the fingerprint of a site's key, and whether it is the one that is pinned here.")
    .addOption(siteOption())
    .addHelpText('after', '\nExample:\n  $ rundirect site show --site branch')
    .action(
      act(async (context, { site: name }: { readonly site: string }) => {
        const { terminal } = context;
        const pinned = await pinnedSiteKey(context, name);
        const shown = await askSiteKey(context, name);
        if (pinned !== undefined && pinned.publicKey !== shown.publicKey) {
          throw siteKeyChanged(name, pinned, shown);
        }
        const isPinned = pinned !== undefined;
        terminal.document({ site: name, ...shown, pinned: isPinned });
        terminal.print(
          facts([
            ['site', name],
            ['key', shown.fingerprint],
            ['pinned', isPinned ? 'yes' : `no: rundirect site pin --site ${name}`],
          ]),
        );
        return ExitCode.ok;
      }),
    );
}
