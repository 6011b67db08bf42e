// `rundirect target pin`: remembers a target's certificate, after it was compared with what the host itself shows.
import type { Command } from 'commander';
import { addressText, type TargetAddress } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { certificateFingerprint, siteOption, targetAddress } from '../options/arguments.ts';
import { colons, confirm, pinnedTarget, pinTarget } from '../options/trust.ts';
import { askSite } from '../temporal/site-workflow.ts';

interface Options {
  readonly site: string;
  readonly fingerprint?: string;
  readonly yes?: boolean;
}

/** Whether the shown certificate may be trusted. A changed one needs its fingerprint, typed or pasted. */
async function decide(
  context: Context,
  target: TargetAddress,
  options: Options,
  shown: string,
): Promise<void> {
  const name = addressText(target);
  const { fingerprint, yes = false } = options;
  const pinned = await pinnedTarget(context, target);
  const expected = fingerprint ?? pinned;
  if (expected !== undefined && expected !== shown) {
    throw new ClientError(
      'TargetChanged',
      `${name} shows the certificate ${colons(shown)}, not ${colons(expected)}${fingerprint === undefined ? ' as pinned' : ''}`,
      { hint: 'Nothing was pinned. Compare with the host itself, and give what it shows as --fingerprint.' },
    );
  }
  if (expected !== undefined || yes) return;
  if (!context.terminal.interactive) {
    throw new ClientError('TargetNotPinned', `${name} shows the certificate ${colons(shown)}`, {
      hint: 'Nothing was pinned: give --fingerprint with what the host itself shows, or --yes to trust it unseen.',
    });
  }
  context.terminal.note(`${name} shows a certificate with SHA-256 ${colons(shown)}`);
  if (!(await confirm(`Is this the certificate of ${name}?`))) {
    throw new ClientError('TargetNotPinned', `the certificate of ${name} was not accepted`);
  }
}

export function addTargetPin(target: Command, act: Act): void {
  target
    .command('pin')
    .summary("remember a target's certificate")
    .description(
      "Looks at a target's certificate, as the site sees it, and remembers it: passwords go to no other.\n" +
        'Compare the fingerprint with what the host itself shows (on ESXi: the certificate in its console).',
    )
    .argument('<host[:port]>', 'the vCenter or ESXi host', targetAddress)
    .addOption(siteOption())
    .option('--fingerprint <sha256>', 'the fingerprint that it must have', certificateFingerprint)
    .option('--yes', 'trust the certificate that it shows, without a comparison')
    .addHelpText('after', '\nExample:\n  $ rundirect target pin esx1.example')
    .action(
      act(async (context, address: TargetAddress, options: Options) => {
        const { terminal } = context;
        const input = { site: options.site, ...address };
        const { fingerprint } = await askSite(await context.temporal(), 'targetInfo', input, context.waiting);
        await decide(context, address, options, fingerprint);
        await pinTarget(context, address, fingerprint);
        terminal.document({ ...address, fingerprint, pinned: fingerprint });
        terminal.print(`Pinned the certificate of ${addressText(address)}: ${colons(fingerprint)}`);
        return undefined;
      }),
    );
}
