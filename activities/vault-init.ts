// Makes an empty vault. An attempt whose answer was lost finds its own vault there; only a later attempt may
// take it for its own.
import { type VaultInitInput, type VaultInitResult, vaultInitInputSchema } from '../contract/index.ts';
import { VaultError } from '../vault/index.ts';
import type { ActivityDeps } from './deps.ts';
import { parsed } from './parsed.ts';
import type { Step } from './step.ts';

export async function vaultInit(
  { vaults }: Pick<ActivityDeps, 'vaults'>,
  input: VaultInitInput,
  step: Pick<Step, 'attempt'>,
): Promise<VaultInitResult> {
  const { vault } = parsed(vaultInitInputSchema, input);
  try {
    return { vault, vaultId: (await vaults.init(vault)).vaultId };
  } catch (error) {
    const mayBeOurs = error instanceof VaultError && error.code === 'VaultExists' && step.attempt > 1;
    if (!mayBeOurs) throw error;
    return { vault, vaultId: (await vaults.open(vault)).vaultId };
  }
}
