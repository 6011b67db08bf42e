// Makes an empty vault at a site.
import type { VaultInitInput, VaultInitResult } from '../contract/index.ts';
import { shortSteps } from './activities-of.ts';
import { endWith } from './failure.ts';

export async function vaultInit(input: VaultInitInput): Promise<VaultInitResult> {
  return shortSteps(input.site).vaultInit(input).catch(endWith('vault init'));
}
