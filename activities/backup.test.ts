// What a backup says of the VMs that it takes, and two that make one set.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { BackupInput } from '../contract/index.ts';
import { activityDeps } from '../test/activity-deps.ts';
import { runActivity } from '../test/run-activity.ts';
import { initVault, openVault, type Vault } from '../vault/index.ts';
import { openVmFolder } from '../vm-folder/index.ts';
import type { ActivityDeps } from './index.ts';

const owner = { workflowId: 'backup-1' };
/** What the tests' site key opens every secret as. */
const PASSPHRASE = 'secret';

let root: string;
let vault: string;
let vm: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rd-backup-'));
  vault = join(root, 'vault');
  vm = join(root, 'vm');
  await initVault(vault);
  await mkdir(vm);
});
afterEach(async () => rm(root, { recursive: true }));

const depsWith = (open: (location: string) => Promise<Vault>): ActivityDeps =>
  activityDeps({ vaults: { init: initVault, open }, vmFolders: { open: openVmFolder } });

async function input(...lines: string[]): Promise<BackupInput> {
  await writeFile(join(vm, 'web.vmx'), ['displayName = "web"', ...lines, ''].join('\n'));
  const passphrase = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
  return { site: 'main', vault, backupSet: 'nightly', vmFolders: [vm], passphrase, full: false };
}

it('tells at once what of a VM can not come along', async () => {
  const asked = await input('pciPassthru0.present = "TRUE"');
  const { warnings, newSet } = await runActivity(depsWith(openVault), 'backup', asked, owner);
  expect(newSet).toBe(true);
  expect(warnings).toEqual([
    expect.stringMatching(/^web: The VM has no disk/),
    expect.stringMatching(/^web: .*pcipassthru0/),
  ]);
});

it('leaves a set to the backup that has made it meanwhile, and goes on with that at its next attempt', async () => {
  const asked = await input();
  const late = async (location: string): Promise<Vault> => {
    const opened = await openVault(location);
    vi.spyOn(opened, 'hasSet').mockImplementationOnce(async (name) => {
      const made = await opened.createSet(name, PASSPHRASE);
      vi.spyOn(opened, 'createSet').mockResolvedValueOnce(await opened.createSet(name, PASSPHRASE));
      await made.backup([await openVmFolder(vm)]);
      return false;
    });
    return opened;
  };
  await expect(runActivity(depsWith(late), 'backup', asked, owner)).rejects.toMatchObject({
    type: 'BackupInProgress',
  });
  const { newSet, jobId } = await runActivity(depsWith(openVault), 'backup', asked, owner);
  expect(newSet).toBe(false);
  expect(jobId).toMatch(/^000002-/);
});
