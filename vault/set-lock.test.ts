// The lock where its destination fails. What it does between backups is in vault.test.ts and killed-backup.test.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { localFolder } from './destinations/local-folder.ts';
import { SetLock } from './set-lock.ts';
import { VaultError } from './vault-error.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vault-lock-'));
});
afterEach(async () => rm(root, { recursive: true }));

it('is free again when a backup could not clear away what others had left', async () => {
  const destination = localFolder(root);
  await (await SetLock.acquire(destination, 'office')).release();
  const remove = vi.spyOn(destination, 'remove');
  remove.mockRejectedValueOnce(new VaultError('DestinationUnavailable', 'gone'));
  await expect(SetLock.acquire(destination, 'office')).rejects.toMatchObject({
    code: 'DestinationUnavailable',
  });
  const lock = await SetLock.acquire(destination, 'office');
  await expect(SetLock.acquire(destination, 'office')).rejects.toMatchObject({ code: 'BackupInProgress' });
  await lock.release();
});
