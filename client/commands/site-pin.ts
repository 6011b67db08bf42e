// `rundirect site pin`: remembers a site's key, after it was compared with what the site's worker printed.
import type { Command } from 'commander';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { siteKeyFingerprint, siteOption } from '../options/arguments.ts';
import {
  askSiteKey,
  confirm,
  pinnedSiteKey,
  pinSiteKey,
  type SiteKeyPin,
  siteKeyChanged,
} from '../options/trust.ts';

interface Options {
  readonly site: string;
  readonly fingerprint?: string;
  readonly yes?: boolean;
}

/** Whether the shown key may be trusted. A changed key needs its fingerprint, typed or pasted by a person. */
async function decide(context: Context, options: Options, shown: SiteKeyPin): Promise<void> {
  const { site, fingerprint, yes = false } = options;
  if (fingerprint !== undefined) {
    if (fingerprint === shown.fingerprint) return;
    throw new ClientError(
      'SiteKeyChanged',
      `site ${site} shows the key ${shown.fingerprint}, not ${fingerprint}`,
      {
        hint: 'Nothing was pinned. Compare with what the worker of that site printed at its start.',
      },
    );
  }
  const pinned = await pinnedSiteKey(context, site);
  if (pinned !== undefined && pinned.publicKey !== shown.publicKey) throw siteKeyChanged(site, pinned, shown);
  if (yes || pinned !== undefined) return;
  if (!context.terminal.interactive) {
    throw new ClientError('SiteKeyNotPinned', `site ${site} shows the key ${shown.fingerprint}`, {
      hint: 'Nothing was pinned: give --fingerprint with what its worker printed, or --yes to trust this one unseen.',
    });
  }
  context.terminal.note(`Site ${site} shows the key ${shown.fingerprint}`);
  if (!(await confirm("Is this what the site's worker printed at its start?"))) {
    throw new ClientError('SiteKeyNotPinned', `the key of site ${site} was not accepted`);
  }
}

export function addSitePin(site: Command, act: Act): void {
  site
    .command('pin')
    .summary("remember a site's key")
    .description(
      'Asks a site for its public key and remembers it: passphrases and passwords are sealed to it.\n' +
        "The site's worker prints the fingerprint at its start; compare the two.",
    )
    .addOption(siteOption())
    .option('--fingerprint <SHA256:…>', 'the fingerprint that it must have', siteKeyFingerprint)
    .option('--yes', 'trust the key that it shows, without a comparison')
    .addHelpText(
      'after',
      '\nExamples:\n  $ rundirect site pin\n  $ rundirect site pin --site branch --fingerprint SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8',
    )
    .action(
      act(async (context, options: Options) => {
        const shown = await askSiteKey(context, options.site);
        await decide(context, options, shown);
        await pinSiteKey(context, options.site, shown.publicKey);
        context.terminal.document({ site: options.site, ...shown, pinned: true });
        context.terminal.print(`Pinned the key of site ${options.site}: ${shown.fingerprint}`);
        return undefined;
      }),
    );
}
