// Backs up the folders of powered-off VMs as one job of a backup set. The folders are held open, and nothing of
// the job is visible unless all of it is.
import {
  type BackupInput,
  type BackupReport,
  type BackupResult,
  backupInputSchema,
} from '../contract/index.ts';
import type { BackupSet, Vault } from '../vault/index.ts';
import type { VmFolder } from '../vm-folder/index.ts';
import type { ActivityDeps } from './deps.ts';
import { parsed } from './parsed.ts';
import type { Step } from './step.ts';
import { throttledReport } from './throttled-report.ts';

type Deps = Pick<ActivityDeps, 'vaults' | 'vmFolders' | 'siteKey'>;

export async function backup(deps: Deps, input: BackupInput, step: Step): Promise<BackupResult> {
  const startedAtMs = Date.now();
  const {
    vault: location,
    backupSet,
    vmFolders,
    passphrase: sealed,
    full,
  } = parsed(backupInputSchema, input);
  const passphrase = step.open(deps.siteKey, sealed, 'set-passphrase', backupSet);
  const vault = await deps.vaults.open(location);
  const sources: VmFolder[] = [];
  try {
    for (const folder of vmFolders) sources.push(await deps.vmFolders.open(folder));
    const { set, isNew } = await openOrCreate(vault, backupSet, passphrase);
    const reports = throttledReport(step);
    const warnings = sources.flatMap(({ vmName, findings }) =>
      findings.map(({ message }) => `${vmName}: ${message}`),
    );
    const job = await set.backup(sources, {
      full,
      signal: step.signal,
      onDamage: (damage) => warnings.push(`${damage} The new job does not build on it.`),
      onProgress: (progress) => {
        const report: BackupReport = progress;
        reports.tell(progress.totalBytes === 0 ? 0 : progress.doneBytes / progress.totalBytes, report);
      },
    });
    await reports.settled();
    const durationMs = Date.now() - startedAtMs;
    return { ...job, backupSet, newSet: isNew, durationMs, warnings };
  } finally {
    await Promise.all(sources.map((source) => source.close()));
  }
}

async function openOrCreate(
  vault: Vault,
  name: string,
  passphrase: string,
): Promise<{ set: BackupSet; isNew: boolean }> {
  const known = await vault.hasSet(name);
  const set = known ? await vault.unlockSet(name, passphrase) : await vault.createSet(name, passphrase);
  return { set, isNew: !known };
}
