// The fence, as a host with old handles and old names meets it, through a restart and back.
import { describe, expect, it } from 'vitest';
import { Nfs3Status } from '../nfs/index.ts';
import { type ExportFileSystem, type ExportNode } from './export-file-system.ts';
import { GatewayClient } from './gateway-client.ts';
import { LOOPBACK, publishRequest, type TestSite, testGateway, testSite } from './testing/fixture.ts';
import { openExports, openRealVm } from './testing/open-exports.ts';

const KEEP = ['web01-000001.vmdk', 'web01-000001-delta.vmdk'];
const FENCED = ['web01.vmx', 'web01.vmdk', 'web01-flat.vmdk', 'web01.nvram'];

const directoryOf = (fs: ExportFileSystem): ExportNode =>
  fs.lookup(fs.mount('/rundirect/esx1', LOOPBACK), 's1');
const namesIn = (fs: ExportFileSystem): string[] =>
  fs
    .readdir(directoryOf(fs), 0, 100)
    .entries.map(({ name }) => name)
    .filter((name) => !name.startsWith('.'))
    .sort();

async function refused(call: () => unknown, status: number = Nfs3Status.ACCES): Promise<void> {
  await expect((async () => call())()).rejects.toMatchObject({ status });
}

/** A session whose VM has a snapshot, as a host left it. */
async function withSnapshot(site: TestSite) {
  const opened = await openExports(site.stateDirectory);
  await opened.exports.publish(publishRequest(site, 's1'));
  const fs = opened.fileSystem;
  for (const name of KEEP) {
    const made = await fs.create(directoryOf(fs), name, { how: 'guarded', attributes: {} });
    await fs.write(made, 0, Buffer.from(name), true);
  }
  return opened;
}

describe('a fence', () => {
  it('serves what is kept and what is made later, and refuses the rest by name and by handle', async () => {
    await using site = await testSite();
    await using opened = await withSnapshot(site);
    const fs = opened.fileSystem;
    const handles = FENCED.map((name) => fs.handle(fs.lookup(directoryOf(fs), name)));
    const inside = await fs.mkdir(directoryOf(fs), 'old', {});
    const deep = fs.handle(await fs.create(inside, 'deep', { how: 'guarded', attributes: {} }));
    await opened.exports.fence('s1', KEEP);
    await opened.exports.fence('s1', KEEP.toReversed());
    expect(opened.exports.status('s1').fence).toBe('raised');
    expect(namesIn(fs)).toEqual([...KEEP].sort());
    for (const handle of [...handles, deep, fs.handle(inside)])
      await refused(() => fs.resolve(handle, LOOPBACK));
    const directory = directoryOf(fs);
    for (const name of FENCED) {
      await refused(() => fs.lookup(directory, name));
      await refused(() => fs.create(directory, name, { how: 'unchecked', attributes: { sizeBytes: 0 } }));
      await refused(() => fs.remove(directory, name));
      await refused(() => fs.rename(directory, KEEP[0] ?? '', directory, name));
      await refused(() => fs.rename(directory, name, directory, 'free'));
    }
    await refused(() => fs.rmdir(directory, 'old'));
    await refused(() => fs.mkdir(directory, 'old', {}), Nfs3Status.EXIST);
    const delta = fs.lookup(directory, 'web01-000001-delta.vmdk');
    await fs.write(fs.resolve(fs.handle(delta), LOOPBACK), 0, Buffer.from('more'), true);
    const lock = await fs.create(directory, '.lck-0001', { how: 'guarded', attributes: {} });
    await fs.write(lock, 0, Buffer.from('mine'), true);
    await fs.remove(directory, '.lck-0001');
  });

  it('stands through restarts, and goes with every trace when it is lifted', async () => {
    await using site = await testSite();
    const first = await withSnapshot(site);
    const before = namesIn(first.fileSystem);
    const handle = first.fileSystem.handle(
      first.fileSystem.lookup(directoryOf(first.fileSystem), 'web01.vmx'),
    );
    await first.exports.fence('s1', KEEP);
    await first.exports.close();
    const second = await openExports(site.stateDirectory);
    expect(namesIn(second.fileSystem)).toEqual([...KEEP].sort());
    await refused(() => second.fileSystem.resolve(handle, LOOPBACK));
    await second.exports.liftFence('s1');
    await second.exports.liftFence('s1');
    expect(namesIn(second.fileSystem)).toEqual(before);
    second.fileSystem.resolve(handle, LOOPBACK);
    await second.exports.close();
    await using third = await openExports(site.stateDirectory);
    expect(namesIn(third.fileSystem)).toEqual(before);
    expect(third.exports.status('s1').fence).toBeUndefined();
  });

  it('is never lifted once it is sealed, also after a restart, and goes with the export', async () => {
    await using site = await testSite();
    const first = await withSnapshot(site);
    await expect(first.exports.sealFence('s1')).rejects.toMatchObject({ code: 'NotFound' });
    await first.exports.fence('s1', []);
    await first.exports.sealFence('s1');
    await first.exports.sealFence('s1');
    await first.exports.close();
    await using second = await openExports(site.stateDirectory);
    await expect(second.exports.liftFence('s1')).rejects.toMatchObject({ code: 'FenceFinal' });
    expect(second.exports.status('s1').fence).toBe('final');
    expect(namesIn(second.fileSystem)).toEqual([]);
    await second.exports.drop('s1');
    await expect(second.exports.fence('s1', [])).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('is refused for a file that is not there, and for another choice, with nothing changed', async () => {
    await using site = await testSite();
    await using opened = await withSnapshot(site);
    await expect(opened.exports.fence('s1', ['web01-000002.vmdk'])).rejects.toMatchObject({
      code: 'InvalidInput',
    });
    expect(namesIn(opened.fileSystem)).toHaveLength(KEEP.length + FENCED.length);
    await opened.exports.fence('s1', KEEP);
    await expect(opened.exports.fence('s1', [])).rejects.toMatchObject({ code: 'ExportConflict' });
  });

  it('is asked for over the control socket', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    await client.publish(publishRequest(site, 's1'));
    await client.fence('s1', ['web01.nvram']);
    expect(await client.exportStatus('s1')).toMatchObject({ fence: 'raised' });
    await client.liftFence('s1');
    await client.fence('s1', []);
    await client.sealFence('s1');
    await expect(client.liftFence('s1')).rejects.toMatchObject({ code: 'FenceFinal' });
    await expect(client.fence('s1', ['a/b'])).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(client.fence('s2', [])).rejects.toMatchObject({ code: 'NotFound' });
  });
});

describe('room for a saved state', () => {
  it('is reserved beside what others have, written to, and kept through a restart', async () => {
    await using site = await testSite();
    const limitBytes = 512 * 2 ** 20;
    const first = await openExports(site.stateDirectory, openRealVm, limitBytes);
    await first.exports.publish(publishRequest(site, 's1'));
    const before = first.exports.status('s1').reservedBytes;
    await expect(first.exports.makeRoom('s1', limitBytes)).rejects.toMatchObject({
      code: 'StorageFull',
      message: expect.stringMatching(/[KMG]iB more are needed .* [KMG]iB are free/) as string,
    });
    expect(first.exports.status('s1').reservedBytes).toBe(before);
    await first.exports.makeRoom('s1', 2 * before);
    const after = first.exports.status('s1').reservedBytes;
    expect(after).toBeGreaterThan(2 * before);
    await first.exports.makeRoom('s1', before);
    expect(first.exports.status('s1').reservedBytes).toBe(after);
    const fs = first.fileSystem;
    const state = await fs.create(directoryOf(fs), 'web01.vmss', { how: 'guarded', attributes: {} });
    const piece = Buffer.alloc(2 ** 20, 7);
    for (let at = 0; at < 1.5 * before; at += piece.length) await fs.write(state, at, piece, true);
    await first.exports.close();
    await using second = await openExports(site.stateDirectory, openRealVm, limitBytes);
    expect(second.exports.status('s1').reservedBytes).toBe(after);
  });
});
