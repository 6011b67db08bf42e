// The backup that a proof runs from: the tiny VM, written and backed up into a vault of its own, by the step that
// makes every other backup. It lies in the site's state folder, under a passphrase that nobody knows: this site
// seals it to itself, for this proof.
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProveBackupInput, proveIdSchema, type SessionSource } from '../../contract/index.ts';
import { seal } from '../../secrets/index.ts';
import { backup } from '../backup.ts';
import type { ActivityDeps } from '../deps.ts';
import { parsed } from '../parsed.ts';
import type { Step } from '../step.ts';
import { assertOwnProof } from './own-proof.ts';
import { TINY_VM, writeTinyVm } from './tiny-vm.ts';

const BACKUP_SET = 'prove';
const PASSPHRASE_BYTES = 24;

type Deps = Pick<ActivityDeps, 'site' | 'siteKey' | 'vaults' | 'vmFolders' | 'proofs'>;

/** An earlier attempt's is replaced: nobody has its passphrase. */
export async function makeProveBackup(
  deps: Deps,
  input: ProveBackupInput,
  step: Step,
): Promise<SessionSource> {
  const folder = folderOf(deps, input, step);
  await rm(folder, { recursive: true, force: true });
  const [vmFolder, vault] = [join(folder, 'vm'), join(folder, 'vault')];
  await writeTinyVm(vmFolder);
  await deps.vaults.init(vault);
  const secret = randomBytes(PASSPHRASE_BYTES).toString('base64url');
  const passphrase = seal(deps.siteKey.publicKey, Buffer.from(secret), {
    workflowId: step.workflowId,
    purpose: 'set-passphrase',
    subject: BACKUP_SET,
  });
  const quiet = { ...step, report: async () => undefined };
  const { jobId } = await backup(
    deps,
    { site: deps.site, vault, backupSet: BACKUP_SET, vmFolders: [vmFolder], passphrase, full: true },
    quiet,
  );
  return { vault, backupSet: BACKUP_SET, jobId, vmName: TINY_VM, passphrase };
}

export async function removeProveBackup(
  deps: Pick<Deps, 'proofs'>,
  input: ProveBackupInput,
  step: Step,
): Promise<void> {
  await rm(folderOf(deps, input, step), { recursive: true, force: true });
}

/** The id is a name of plain letters, and the Workflow's own: no other folder can be meant. */
function folderOf({ proofs }: Pick<Deps, 'proofs'>, { proveId }: ProveBackupInput, step: Step): string {
  assertOwnProof(step, proveId);
  return join(proofs, parsed(proveIdSchema, proveId));
}
