// The port's contract, over a published export: in a session's directory, and at a share's root.
import { describe, expect, it } from 'vitest';
import { Nfs3Status } from '../nfs/index.ts';
import { describeFileSystem } from '../nfs/testing/index.ts';
import { type ExportNode } from './export-file-system.ts';
import { DISK_BYTES, LOOPBACK, publishRequest, testSite } from './testing/fixture.ts';
import { openExports } from './testing/open-exports.ts';

function suite(name: string, directoryName: string | undefined): void {
  describeFileSystem<ExportNode>(name, async () => {
    const site = await testSite();
    let opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    return {
      fileSystem: opened.fileSystem,
      exportPath: '/rundirect/esx1',
      hasLinks: false,
      directory: () => {
        const { fileSystem } = opened;
        const root = fileSystem.mount('/rundirect/esx1', LOOPBACK);
        const parent = directoryName === undefined ? root : fileSystem.lookup(root, directoryName);
        const known = fileSystem.readdir(parent, 0, 100).entries.find(({ name: found }) => found === 'empty');
        return known?.node ?? fileSystem.mkdir(parent, 'empty', {});
      },
      restart: async () => {
        await opened.exports.close();
        opened = await openExports(site.stateDirectory);
        return opened.fileSystem;
      },
      close: async () => {
        await opened.exports.close();
        await site[Symbol.asyncDispose]();
      },
    };
  });
}

suite('a session’s directory', 's1');
suite('a share’s root', undefined);

describe('export file system', () => {
  it('shows the backup, and keeps what is written over it out of the vault', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    const fs = opened.fileSystem;
    const directory = fs.lookup(fs.mount('/rundirect/esx1', LOOPBACK), 's1');
    const names = fs.readdir(directory, 0, 100).entries.map(({ name }) => name);
    expect(names.sort()).toEqual(['.', '..', 'web01-flat.vmdk', 'web01.nvram', 'web01.vmdk', 'web01.vmx']);
    const flat = fs.lookup(directory, 'web01-flat.vmdk');
    expect(fs.attributes(flat).sizeBytes).toBe(DISK_BYTES);
    const { bytes, eof } = await fs.read(flat, 0, DISK_BYTES + 10);
    expect(eof).toBe(true);
    expect(Buffer.compare(bytes, site.disk)).toBe(0);
    await fs.write(flat, 1000, Buffer.from('changed'), true);
    site.disk.write('changed', 1000);
    expect(Buffer.compare((await fs.read(flat, 0, DISK_BYTES)).bytes, site.disk)).toBe(0);
    await fs.write(flat, 1000, Buffer.from('changed'), false);
    expect(opened.exports.files('s1').find(({ name }) => name === 'web01-flat.vmdk')).toEqual({
      ...{ name: 'web01-flat.vmdk', kind: 'file', sizeBytes: DISK_BYTES },
      writes: { stable: 1, unstable: 1 },
    });
    const vmx = Buffer.from((await fs.read(fs.lookup(directory, 'web01.vmx'), 0, 65536)).bytes).toString();
    expect(vmx).toContain('displayName = "web01-test"');
    expect(vmx).toContain('rundirect.session = "s1"');
  });

  it('refuses every change of what is published read-only, and at its share’s root, after a restart too', async () => {
    await using site = await testSite();
    const readOnly = publishRequest(site, 'look', { targetId: 'browse-1', readOnly: true });
    for (const isRestarted of [false, true]) {
      await using opened = await openExports(site.stateDirectory);
      if (isRestarted) await opened.exports.restore();
      else await opened.exports.publish(readOnly);
      const fs = opened.fileSystem;
      const root = fs.mount('/rundirect/browse-1', LOOPBACK);
      const directory = fs.mount('/rundirect/browse-1/look', LOOPBACK);
      const flat = fs.lookup(directory, 'web01-flat.vmdk');
      expect(Buffer.compare((await fs.read(flat, 0, DISK_BYTES)).bytes, site.disk)).toBe(0);
      expect(fs.attributes(flat).mode).toBe(0o444);
      const changes: (() => unknown)[] = [
        () => fs.write(flat, 0, Buffer.from('x'), true),
        () => fs.setAttributes(flat, { sizeBytes: 0 }, undefined),
        () => fs.remove(directory, 'web01-flat.vmdk'),
        () => fs.rename(directory, 'web01.vmx', directory, 'other.vmx'),
        ...[root, directory].flatMap((where) => [
          () => fs.create(where, 'new', { how: 'unchecked', attributes: {} }),
          () => fs.mkdir(where, 'new', {}),
          () => fs.rmdir(where, 'new'),
        ]),
      ];
      for (const change of changes) {
        await expect((async () => change())()).rejects.toMatchObject({ status: Nfs3Status.ROFS });
      }
      await opened.exports.close();
    }
  });

  it('lets no host make, move or remove a session’s directory', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    await opened.exports.publish(publishRequest(site, 's2'));
    const fs = opened.fileSystem;
    const root = fs.mount('/rundirect/esx1/', LOOPBACK);
    const s1 = fs.lookup(root, 's1');
    const s2 = fs.lookup(root, 's2');
    const refused = async (call: () => unknown, status: number): Promise<void> => {
      await expect((async () => call())()).rejects.toMatchObject({ status });
    };
    await refused(() => fs.mkdir(root, 's1', {}), Nfs3Status.EXIST);
    await refused(() => fs.rmdir(root, 's1'), Nfs3Status.ACCES);
    await refused(() => fs.rename(root, 's1', root, 's3'), Nfs3Status.ACCES);
    await refused(() => fs.rename(s1, 'web01.vmx', s2, 'other.vmx'), Nfs3Status.XDEV);
    expect(fs.lookup(s1, '..').inode).toBe(root.inode);
    const fileids = new Set(
      [root, s1, s2, fs.lookup(s1, 'web01.vmx'), fs.lookup(s2, 'web01.vmx')].map(
        (node) => fs.attributes(node).fileid,
      ),
    );
    expect(fileids.size).toBe(5);
    expect(fs.attributes(s1).fsid).toBe(fs.attributes(root).fsid);
    // READDIR one by one, as a client with tiny buffers does.
    const seen: string[] = [];
    for (let cookie = 0; ; ) {
      const { entries, end } = fs.readdir(root, cookie, 1);
      seen.push(...entries.map(({ name }) => name));
      cookie = entries.at(-1)?.cookie ?? cookie;
      if (end) break;
    }
    expect(seen).toEqual(['.', '..', 's1', 's2']);
  });

  it('refuses hosts that are not on the list, at the mount and at each call', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1', { allow: ['192.0.2.0/24'] }));
    const fs = opened.fileSystem;
    const host = { address: '::ffff:192.0.2.7', uid: 0, gid: 0 };
    const handle = fs.handle(fs.mount('/rundirect/esx1', host));
    expect(fs.resolve(handle, host).volume.sessionId).toBeUndefined();
    expect(() => fs.mount('/rundirect/esx1', LOOPBACK)).toThrow('may not use');
    expect(() => fs.resolve(handle, LOOPBACK)).toThrow('may not use');
    expect(fs.exports(LOOPBACK)).toEqual([]);
    await opened.exports.publish(publishRequest(site, 's2', { allow: ['127.0.0.1'] }));
    expect(fs.resolve(handle, LOOPBACK).inode.id).toBe(1);
  });
});
