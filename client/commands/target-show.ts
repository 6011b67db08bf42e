// `rundirect target show`: the certificate that a target shows to the site, before anybody logs in.
import type { Command } from 'commander';
import { addressText, type TargetAddress } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import { siteOption, targetAddress } from '../options/arguments.ts';
import { colons, pinnedTarget } from '../options/trust.ts';
import { askSite } from '../temporal/site-workflow.ts';
import { facts } from '../views/table.ts';

export function addTargetShow(target: Command, act: Act): void {
  target
    .command('show')
    .summary("show a target's certificate")
    .description(
      "Shows the SHA-256 fingerprint of a target's certificate, as the site sees it. Nobody logs in.",
    )
    .argument('<host[:port]>', 'the vCenter or ESXi host', targetAddress)
    .addOption(siteOption())
    .addHelpText('after', '\nExample:\n  $ rundirect target show esx1.example')
    .action(
      act(async (context, address: TargetAddress, { site }: { readonly site: string }) => {
        const { terminal } = context;
        const temporal = await context.temporal();
        const info = await askSite(temporal, 'targetInfo', { site, ...address }, context.waiting);
        const pinned = await pinnedTarget(context, address);
        terminal.document({ ...info, pinned: pinned ?? null });
        terminal.print(
          facts([
            ['target', addressText(address)],
            ['certificate', colons(info.fingerprint)],
            [
              'trusted here',
              pinned === undefined ? 'not yet' : pinned === info.fingerprint ? 'yes' : 'NO, another one is',
            ],
          ]),
        );
        return undefined;
      }),
    );
}
