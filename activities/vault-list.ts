// Lists backup sets and jobs. It reads what needs no passphrase.
import { type VaultListInput, type VaultListResult, vaultListInputSchema } from '../contract/index.ts';
import type { ActivityDeps } from './deps.ts';
import { failureFor } from './failures.ts';
import { parsed } from './parsed.ts';

export async function vaultList(
  { vaults }: Pick<ActivityDeps, 'vaults'>,
  input: VaultListInput,
): Promise<VaultListResult> {
  const { vault: location, backupSet } = parsed(vaultListInputSchema, input);
  const vault = await vaults.open(location);
  const sets = await vault.listSets();
  const wanted = sets.filter(({ name }) => backupSet === undefined || name === backupSet);
  if (backupSet !== undefined && wanted.length === 0) {
    const known = sets.map(({ name }) => name).join(', ');
    throw failureFor(
      'BackupNotFound',
      `Vault ${location} has no backup set ${backupSet}; it has ${known === '' ? 'none yet' : known}`,
    );
  }
  return { vault: location, vaultId: vault.vaultId, backupSets: wanted };
}
