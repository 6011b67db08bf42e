import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { destinationContract } from '../testing/destination-contract.ts';
import { inspectFolder, localFolder } from './local-folder.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'local-folder-'));
});
afterEach(async () => rm(root, { recursive: true }));

describe('a local folder', () => {
  destinationContract(async () => ({
    destination: localFolder(join(root, 'vault')),
    countEverything: async () => {
      const entries = await readdir(join(root, 'vault'), { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).length;
    },
  }));

  it('says what stands in the way', async () => {
    await writeFile(join(root, 'file'), '');
    const destination = localFolder(join(root, 'file'));
    await expect(destination.put('a', Buffer.alloc(1))).rejects.toMatchObject({
      code: 'DestinationUnavailable',
      message: expect.stringContaining(join(root, 'file')) as string,
    });
  });

  it('waits for no pipe', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    expect(await localFolder(root).get('pipe', 10)).toHaveLength(0);
  });

  it('is readable by its owner alone', async () => {
    const destination = localFolder(join(root, 'vault'));
    await destination.put('sets/a/key.json', Buffer.from('key'));
    expect((await stat(join(root, 'vault/sets/a/key.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(root, 'vault/sets'))).mode & 0o777).toBe(0o700);
  });

  it('tells what stands at a place', async () => {
    expect(await inspectFolder(join(root, 'none'))).toBe('absent');
    await writeFile(join(root, 'file'), '');
    expect(await inspectFolder(join(root, 'file'))).toBe('not-a-folder');
    await mkdir(join(root, 'new', 'lost+found'), { recursive: true });
    expect(await inspectFolder(join(root, 'new'))).toBe('empty');
    expect(await inspectFolder(root)).toBe('used');
  });
});

// Only root can mount; a user's run has the permission case instead.
const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)('a destination of a small file system', () => {
  let mounted: string;
  beforeEach(async () => {
    mounted = join(root, 'small');
    await mkdir(mounted);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mounted]);
  });
  afterEach(() => {
    execFileSync('umount', [mounted]);
  });

  it('is StorageFull, and holds nothing of what did not fit', async () => {
    const destination = localFolder(mounted);
    const writer = await destination.create('x/large');
    await expect(writer.append(Buffer.alloc(1024 * 1024))).rejects.toMatchObject({ code: 'StorageFull' });
    await writer.abort();
    await expect(destination.put('large', Buffer.alloc(1024 * 1024))).rejects.toMatchObject({
      code: 'StorageFull',
    });
    expect(
      (await readdir(mounted, { recursive: true, withFileTypes: true })).filter((e) => e.isFile()),
    ).toEqual([]);
    expect(await destination.put('small', Buffer.alloc(1024))).toBe('written');
  });

  it('refuses for good what a person has to settle: a file system that is mounted read-only', async () => {
    const destination = localFolder(mounted);
    await destination.put('small', Buffer.alloc(1024));
    execFileSync('mount', ['-o', 'remount,ro', mounted]);
    expect(await destination.get('small', 1024)).toHaveLength(1024);
    await expect(destination.put('other', Buffer.alloc(1))).rejects.toMatchObject({
      code: 'DestinationRefused',
      message: expect.stringContaining('read-only') as string,
    });
  });
});

describe.runIf(!isRoot)('a destination without permission', () => {
  it('is DestinationRefused and says why', async () => {
    await mkdir(join(root, 'closed'));
    await chmod(join(root, 'closed'), 0o500);
    await expect(localFolder(join(root, 'closed')).put('a', Buffer.alloc(1))).rejects.toMatchObject({
      code: 'DestinationRefused',
      message: expect.stringContaining('permission') as string,
    });
  });
});
