// Shows a site's public key, so that a client can pin it.
import type { SiteInfo, SiteInfoInput } from '../contract/index.ts';
import { shortSteps } from './activities-of.ts';
import { endWith } from './failure.ts';

export async function siteInfo(input: SiteInfoInput): Promise<SiteInfo> {
  return shortSteps(input.site).siteInfo(input).catch(endWith('site info'));
}
