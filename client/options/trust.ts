// Whom the client trusts: the key of a site, which secrets are sealed to, and the certificate of a target, which
// passwords are sent to. Both are shown once, compared by a person with what the site or the host itself shows,
// and remembered. What changed later is refused, never silently accepted.
import * as prompts from '@clack/prompts';
import { addressText, type TargetAddress } from '../../contract/index.ts';
import { fingerprintOf } from '../../secrets/index.ts';
import { readConfig, writeConfig } from '../config.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { askSite } from '../temporal/site-workflow.ts';

export interface SiteKeyPin {
  /** X25519, base64 of 32 bytes. */
  readonly publicKey: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
}

/** The key that the site shows now. The fingerprint is computed here, from the key that will be used. */
export async function askSiteKey(context: Context, site: string): Promise<SiteKeyPin> {
  const temporal = await context.temporal();
  const { publicKey } = await askSite(temporal, 'siteInfo', { site }, context.waiting);
  return { publicKey, fingerprint: fingerprintOf(publicKey) };
}

async function siteConfigKey(context: Context, site: string): Promise<string> {
  return `${(await context.temporal()).name}/${site}`;
}

export async function pinnedSiteKey(context: Context, site: string): Promise<SiteKeyPin | undefined> {
  const pin = (await readConfig(context.configPath)).sites[await siteConfigKey(context, site)];
  return pin && { publicKey: pin.publicKey, fingerprint: fingerprintOf(pin.publicKey) };
}

export async function pinSiteKey(context: Context, site: string, publicKey: string): Promise<void> {
  const config = await readConfig(context.configPath);
  const key = await siteConfigKey(context, site);
  await writeConfig(context.configPath, {
    ...config,
    sites: { ...config.sites, [key]: { publicKey, pinnedAt: new Date().toISOString() } },
  });
}

/** Loud, because either the site was set up anew or somebody is in between. */
export function siteKeyChanged(site: string, pinned: SiteKeyPin, shown: SiteKeyPin): ClientError {
  return new ClientError(
    'SiteKeyChanged',
    `THE KEY OF SITE ${site} HAS CHANGED: pinned is ${pinned.fingerprint}, it shows ${shown.fingerprint}`,
    {
      hint:
        'Nothing was sealed to it. If the site was set up anew, compare with what its worker printed, and pin it ' +
        `with: rundirect site pin --site ${site} --fingerprint SHA256:…`,
    },
  );
}

export async function confirm(message: string): Promise<boolean> {
  const answer = await prompts.confirm({
    message,
    initialValue: false,
    withGuide: false,
    output: process.stderr,
  });
  if (prompts.isCancel(answer)) throw new ClientError('Interrupted', 'interrupted');
  return answer;
}

/**
 * The key that secrets for the site are sealed to: the pinned one; else, with a person there, the one that the
 * site shows, after they have compared it. Throws ClientError SiteKeyNotPinned.
 */
export async function siteKeyForSealing(context: Context, site: string): Promise<SiteKeyPin> {
  const pinned = await pinnedSiteKey(context, site);
  if (pinned !== undefined) return pinned;
  if (!context.terminal.interactive) {
    throw new ClientError('SiteKeyNotPinned', `the key of site ${site} is not known here yet`, {
      hint:
        `The worker of the site prints its fingerprint at its start. Pin it once with: ` +
        `rundirect site pin --site ${site} --fingerprint SHA256:…`,
    });
  }
  const shown = await askSiteKey(context, site);
  context.terminal.note(`Site ${site} shows the key ${shown.fingerprint}`);
  if (!(await confirm("Is this what the site's worker printed at its start? Secrets will be sealed to it"))) {
    throw new ClientError('SiteKeyNotPinned', `the key of site ${site} was not accepted`);
  }
  await pinSiteKey(context, site, shown.publicKey);
  return shown;
}

/** A certificate's fingerprint in groups, as other tools show it. */
export function colons(fingerprint: string): string {
  return (fingerprint.match(/../g) ?? []).join(':');
}

export async function pinTarget(context: Context, target: TargetAddress, fingerprint: string): Promise<void> {
  const config = await readConfig(context.configPath);
  const pin = { fingerprint, pinnedAt: new Date().toISOString() };
  await writeConfig(context.configPath, {
    ...config,
    targets: { ...config.targets, [addressText(target)]: pin },
  });
}

export async function pinnedTarget(context: Context, target: TargetAddress): Promise<string | undefined> {
  return (await readConfig(context.configPath)).targets[addressText(target)]?.fingerprint;
}

/**
 * The certificate that the target must show: the one on the command line; else the pinned one; else, with a person
 * there, the one that the site sees, after they have compared it. Throws ClientError TargetNotPinned.
 */
export async function targetFingerprint(
  context: Context,
  site: string,
  target: TargetAddress,
  given: string | undefined,
): Promise<string> {
  const known = given ?? (await pinnedTarget(context, target));
  if (known !== undefined) return known;
  const name = addressText(target);
  if (!context.terminal.interactive) {
    throw new ClientError('TargetNotPinned', `the certificate of ${name} is not known here yet`, {
      hint: `Give it as --fingerprint, or once with: rundirect target pin ${name} --fingerprint …`,
    });
  }
  const shown = await askSite(await context.temporal(), 'targetInfo', { site, ...target }, context.waiting);
  context.terminal.note(`${name} shows a certificate with SHA-256 ${colons(shown.fingerprint)}`);
  if (!(await confirm(`Is this the certificate of ${name}? The password will be sent to it`))) {
    throw new ClientError('TargetNotPinned', `the certificate of ${name} was not accepted`);
  }
  await pinTarget(context, target, shown.fingerprint);
  return shown.fingerprint;
}
