// Shows the site's public key.
import type { SiteInfo } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';

export function siteInfo({ site, siteKey }: Pick<ActivityDeps, 'site' | 'siteKey'>): SiteInfo {
  return { site, publicKey: siteKey.publicKey, fingerprint: siteKey.fingerprint };
}
