// libnfs, a C client that is not ours, against the server: its command-line tools, and a program of ours that sends
// every procedure through it. Needs Debian's libnfs-utils, libnfs-dev and gcc; without them the tests fail and say so.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FileSystem } from './file-system.ts';
import { startNfsServer } from './server.ts';
import { FolderFileSystem } from './testing/folder-file-system.ts';
import { MemoryFileSystem } from './testing/memory-file-system.ts';
import { Nfs3Peer } from './testing/nfs3-peer.ts';

const PROGRAM_TIMEOUT_MS = 15_000;

/** Runs a program that a Debian package brings. */
async function run(program: string, args: string[], debianPackage: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: PROGRAM_TIMEOUT_MS });
    return stdout;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) throw error;
    throw new Error(`${program} is missing: apt-get install ${debianPackage}`, { cause: error });
  }
}

async function serve<Node>(fileSystem: FileSystem<Node>) {
  const ports = { nfs: 0, mount: 0, portmap: 'off' } as const;
  return await startNfsServer({ fileSystem, host: '127.0.0.1', ports });
}

function url(port: number, at: string): string {
  return `nfs://127.0.0.1${at}?version=3&nfsport=${port}&mountport=${port}`;
}

describe('libnfs', () => {
  const open = new AsyncDisposableStack();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'nfs-foreign-'));
    const source = path.join(import.meta.dirname, 'testing', 'libnfs-peer.c');
    await run(
      'cc',
      ['-O1', '-Wall', '-o', path.join(folder, 'peer'), source, '-lnfs'],
      'gcc libc6-dev libnfs-dev',
    );
  });
  afterAll(async () => {
    await open.disposeAsync();
    await rm(folder, { recursive: true });
  });

  test('lists, reads and writes with its tools', async () => {
    const shared = path.join(folder, 'shared');
    await mkdir(shared);
    const content = randomBytes(3_000_001);
    await writeFile(path.join(shared, 'disk-flat.vmdk'), content);
    await using fileSystem = new FolderFileSystem(shared, '/folder');
    await using server = await serve(fileSystem);
    const port = server.ports.nfs;

    expect(await run('nfs-ls', [url(port, '/folder')], 'libnfs-utils')).toMatch(/ 3000001 disk-flat\.vmdk/);
    const copy = path.join(folder, 'copy');
    await run('nfs-cp', [url(port, '/folder/disk-flat.vmdk'), copy], 'libnfs-utils');
    expect((await readFile(copy)).equals(content)).toBe(true);
    await run('nfs-cp', [copy, url(port, '/folder/back')], 'libnfs-utils');
    expect((await readFile(path.join(shared, 'back'))).equals(content)).toBe(true);
    await writeFile(path.join(shared, 'vm.vmx'), 'displayName = "vm"\n');
    expect(await run('nfs-cat', [url(port, '/folder/vm.vmx')], 'libnfs-utils')).toBe('displayName = "vm"\n');
  });

  test.each([
    ['a file system in memory', '/memory', () => serve(new MemoryFileSystem())],
    [
      'a local folder',
      '/folder',
      async () => {
        const fileSystem = new FolderFileSystem(await mkdtemp(path.join(folder, 'round-')), '/folder');
        open.use(fileSystem);
        return await serve(fileSystem);
      },
    ],
  ])('goes through every procedure over %s', async (_name, exportPath, start) => {
    await using server = await start();
    using peer = await Nfs3Peer.connect(server.ports.nfs);
    const root = Buffer.from(await peer.mount(exportPath));
    const report = await run(
      path.join(folder, 'peer'),
      [url(server.ports.nfs, exportPath), root.toString('hex')],
      'libnfs-dev',
    ).catch((error: unknown) => String((error as { stdout?: unknown }).stdout ?? error));
    expect(report.split('\n').filter((line) => !line.startsWith('ok '))).toEqual(['']);
    const unused = Object.entries(server.stats().calls).filter(([, count]) => count === 0);
    expect(unused.map(([name]) => name)).toEqual([]);
  });
});
