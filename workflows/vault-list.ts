// Lists a vault's backup sets and jobs.
import type { VaultListInput, VaultListResult } from '../contract/index.ts';
import { shortSteps } from './activities-of.ts';
import { endWith } from './failure.ts';

export async function vaultList(input: VaultListInput): Promise<VaultListResult> {
  return shortSteps(input.site).vaultList(input).catch(endWith('vault list'));
}
