// Opens the backup set that a session runs from.
import type { SessionSource } from '../contract/index.ts';
import type { BackupSet } from '../vault/index.ts';
import type { ActivityDeps } from './deps.ts';
import type { Step } from './step.ts';

/** Throws VaultError and SecretsError. */
export async function unlockSource(
  { vaults, siteKey }: Pick<ActivityDeps, 'vaults' | 'siteKey'>,
  { vault: location, backupSet, passphrase }: SessionSource,
  step: Pick<Step, 'open'>,
): Promise<BackupSet> {
  const vault = await vaults.open(location);
  return vault.unlockSet(backupSet, step.open(siteKey, passphrase, 'set-passphrase', backupSet));
}
