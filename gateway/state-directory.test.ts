// Who may take a state folder, and what is said to whom that can't.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockStateDirectory, makeStateDirectory } from './state-directory.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rdgw-state-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const thrownBy = (body: () => unknown): unknown => {
  try {
    return body();
  } catch (error) {
    return error;
  }
};

it('is one gateway at a time', async () => {
  await makeStateDirectory(folder);
  const held = lockStateDirectory(folder);
  const refused = thrownBy(() => lockStateDirectory(folder));
  expect(refused).toMatchObject({ code: 'InvalidInput' });
  expect((refused as Error).message).toContain('another gateway runs on it');
  // A disk without any room would have none for more than these.
  expect(await readdir(folder)).toEqual(['dropped', 'gateway.lock', 'overlays']);
  held[Symbol.dispose]();
  lockStateDirectory(folder)[Symbol.dispose]();
});

it('is not blamed on another gateway where the lock is none', async () => {
  await makeStateDirectory(folder);
  await writeFile(join(folder, 'gateway.lock'), 'x'.repeat(4096));
  const refused = thrownBy(() => lockStateDirectory(folder));
  expect(refused).toMatchObject({ code: 'InvalidInput' });
  expect((refused as Error).message).toContain(join(folder, 'gateway.lock'));
  expect((refused as Error).message).not.toContain('another gateway');
});

it('is a folder', async () => {
  const file = join(folder, 'file');
  await writeFile(file, '');
  await expect(makeStateDirectory(file)).rejects.toMatchObject({ code: 'InvalidInput' });
  await expect(makeStateDirectory(file)).rejects.toThrow('--state');
});
