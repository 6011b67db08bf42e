// Publishing, dropping and restoring: what a worker and a host notice of it, and what is left on disk.
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Nfs3Status } from '../nfs/index.ts';
import { VaultError, type VmAtJob } from '../vault/index.ts';
import { type GatewayErrorCode, type PublishRequest } from './control-api.ts';
import { type ExportFileSystem, type ExportNode } from './export-file-system.ts';
import { overlayPath } from './state-directory.ts';
import { DISK_BYTES, digests, LOOPBACK, publishRequest, type TestSite, testSite } from './testing/fixture.ts';
import { openExports, openRealVm } from './testing/open-exports.ts';

function flatOf(fs: ExportFileSystem, sessionId: string): ExportNode {
  const directory = fs.lookup(fs.mount('/rundirect/esx1', LOOPBACK), sessionId);
  return fs.lookup(directory, 'web01-flat.vmdk');
}

async function leftovers(site: TestSite): Promise<string[]> {
  const names = await readdir(site.stateDirectory, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(site.stateDirectory.length + 1))
    .sort();
}

const EMPTY_STATE = ['credential-store-key', 'registry.json'];

describe('publishing', () => {
  it('is done once, however often it is asked for', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    const request = publishRequest(site, 's1');
    const [first, second] = await Promise.all([
      opened.exports.publish(request),
      opened.exports.publish(request),
    ]);
    expect(second).toEqual(first);
    expect(first).toEqual({
      sessionId: 's1',
      remoteHost: '127.0.0.1',
      remotePath: '/rundirect/esx1',
      vmxPath: 's1/web01.vmx',
      disks: [{ path: 's1/web01.vmdk', sizeBytes: DISK_BYTES }],
    });
    expect(opened.exports.count).toBe(1);
    await expect(opened.exports.publish({ ...request, reserveFactor: 2 })).rejects.toMatchObject({
      code: 'ExportConflict',
    });
  });

  it('tells what is wrong with the request, and leaves nothing behind', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    const request = publishRequest(site, 's1');
    const { source } = request;
    const refused = [
      [{ ...request, source: { ...source, vmName: 'nobody' } }, 'BackupNotFound'],
      [{ ...request, source: { ...source, setKey: Buffer.alloc(32).toString('base64') } }, 'KeyRejected'],
      [{ ...request, source: { ...source, vault: '/nowhere' } }, 'NotAVault'],
      [{ ...request, allow: ['everybody'] }, 'InvalidInput'],
      [{ ...request, reserveFactor: 1e12 }, 'StorageFull'],
    ] satisfies [PublishRequest, GatewayErrorCode][];
    for (const [wrong, code] of refused) {
      await expect(opened.exports.publish(wrong)).rejects.toMatchObject({ code });
    }
    expect(await leftovers(site)).toEqual(EMPTY_STATE);
    await opened.exports.publish(request);
  });

  it('begins anew after a publish that failed and could not be undone', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    const { registry, exports, fileSystem } = opened;
    const request = publishRequest(site, 's1');
    const { vault, backupSet, jobId, vmName } = request.source;
    const left = {
      request: { ...request, source: { vault, backupSet, jobId, vmName } },
      ...{ publishedAt: new Date().toISOString(), jobId, vmxName: 'web01.vmx', disks: [] },
      ...{ provisionedBytes: DISK_BYTES, reservedBytes: DISK_BYTES },
    };
    await registry.add(left, async () => undefined);
    await exports.publish(request);
    expect(fileSystem.attributes(flatOf(fileSystem, 's1')).sizeBytes).toBe(DISK_BYTES);
    expect(registry.exports()).toHaveLength(1);
    await registry.add({ ...left, request: { ...left.request, sessionId: 's2' } }, async () => undefined);
    await exports.drop('s2');
    expect(registry.exports().map((entry) => entry.request.sessionId)).toEqual(['s1']);
  });

  it('never promises more space than there is, however many ask at once', async () => {
    await using site = await testSite();
    // Each wants two fifths of what the gateway may use: two fit.
    const limitBytes = 1024 ** 3;
    await using opened = await openExports(site.stateDirectory, openRealVm, limitBytes);
    const reserveFactor = (limitBytes * 0.4) / DISK_BYTES;
    const results = await Promise.allSettled(
      ['s1', 's2', 's3', 's4'].map((id) =>
        opened.exports.publish(publishRequest(site, id, { reserveFactor })),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'StorageFull' });
    }
    const { fits } = await opened.exports.space.ask({ provisionedBytes: DISK_BYTES, reserveFactor });
    expect(fits).toBe(false);
    const root = opened.fileSystem.mount('/rundirect/esx1', LOOPBACK);
    const totals = await opened.fileSystem.totals(root);
    expect(totals.totalBytes).toBe(limitBytes);
    expect(totals.freeBytes).toBeGreaterThan(0);
    expect(totals.freeBytes).toBeLessThanOrEqual(limitBytes);
  });
});

describe('dropping', () => {
  it('leaves no file, no key and no handle, and the vault as it was', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    const before = await digests(site.vault);
    await opened.exports.publish(publishRequest(site, 's1'));
    const fs = opened.fileSystem;
    const flat = flatOf(fs, 's1');
    const handle = fs.handle(flat);
    await fs.write(flat, 0, Buffer.alloc(8192, 1), true);
    const root = fs.mount('/rundirect/esx1', LOOPBACK);
    await fs.write(
      await fs.create(root, '.dvsData', { how: 'guarded', attributes: {} }),
      0,
      Buffer.from('host'),
      true,
    );
    await opened.exports.publish(publishRequest(site, 's2'));
    await opened.exports.drop('s1');
    expect(() => fs.resolve(handle, LOOPBACK)).toThrow(
      expect.objectContaining({ status: Nfs3Status.STALE }) as Error,
    );
    // What hosts wrote at the root belongs to no session: it stays while the target has one.
    expect(fs.attributes(fs.lookup(root, '.dvsData')).sizeBytes).toBe(4);
    await opened.exports.drop('s2');
    await opened.exports.drop('s2');
    expect(await leftovers(site)).toEqual([...EMPTY_STATE, 'dropped/s1', 'dropped/s2'].sort());
    expect(await digests(site.vault)).toEqual(before);
    await expect(opened.exports.publish(publishRequest(site, 's1'))).rejects.toMatchObject({
      code: 'ExportDropped',
    });
  });

  it('is remembered for a session that was never published', async () => {
    await using site = await testSite();
    const opened = await openExports(site.stateDirectory);
    await opened.exports.drop('s1');
    await opened.exports.close();
    await using again = await openExports(site.stateDirectory);
    await expect(again.exports.publish(publishRequest(site, 's1'))).rejects.toMatchObject({
      code: 'ExportDropped',
    });
  });

  it('gives no file id twice, also at a root that went and came back with the same handle', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    const fs = opened.fileSystem;
    await opened.exports.publish(publishRequest(site, 's1'));
    const root = fs.mount('/rundirect/esx1', LOOPBACK);
    const handle = Buffer.from(fs.handle(root));
    const old = fs.attributes(await fs.create(root, 'x', { how: 'guarded', attributes: {} })).fileid;
    await opened.exports.drop('s1');
    await opened.exports.publish(publishRequest(site, 's2'));
    const newRoot = fs.mount('/rundirect/esx1', LOOPBACK);
    expect(Buffer.from(fs.handle(newRoot))).toEqual(handle);
    expect(() => fs.lookup(newRoot, 'x')).toThrow('There is no');
    expect(
      fs.attributes(await fs.create(newRoot, 'x', { how: 'guarded', attributes: {} })).fileid,
    ).toBeGreaterThan(old);
  });

  it('is finished at the next start when the process died in it, and so is the undoing of a publish', async () => {
    await using site = await testSite();
    const opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    await opened.registry.markDropped('s1');
    const { disks, ...entry } = opened.registry.export('s1')!;
    await opened.registry.add(
      { ...entry, disks, request: { ...entry.request, sessionId: 's2' } },
      async () => undefined,
    );
    await opened.exports.close();
    await using again = await openExports(site.stateDirectory);
    expect(again.exports.count).toBe(0);
    expect(await leftovers(site)).toEqual([...EMPTY_STATE, 'dropped/s1'].sort());
    await again.exports.publish(publishRequest(site, 's2'));
  });
});

describe('a share’s root that is damaged', () => {
  it('keeps no session from being dropped, and the gateway not from starting', async () => {
    await using site = await testSite();
    const opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    const folder = overlayPath(site.stateDirectory, opened.registry.share('esx1')?.volume ?? 0);
    await opened.exports.close();
    for (const name of await readdir(folder)) await writeFile(join(folder, name), 'damaged');
    const damaged = await openExports(site.stateDirectory);
    expect(damaged.exports.status('s1').lastError).toContain('could not be restored');
    await damaged.exports.drop('s1');
    expect(damaged.exports.statuses()).toEqual([]);
    await damaged.exports.close();
    await using again = await openExports(site.stateDirectory);
    expect(again.exports.count).toBe(0);
  });
});

describe('restoring', () => {
  it('brings everything back with the same handles, without asking the destination', async () => {
    await using site = await testSite();
    const opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    const fs = opened.fileSystem;
    const flat = flatOf(fs, 's1');
    await fs.write(flat, 4096, Buffer.alloc(4096, 7), true);
    site.disk.fill(7, 4096, 8192);
    const handle = Buffer.from(fs.handle(flat));
    const attributes = fs.attributes(flat);
    await opened.exports.close();

    let destinationUp = false;
    await using again = await openExports(site.stateDirectory, async (source, key) => {
      if (!destinationUp) throw new VaultError('VaultNotFound', 'the share is not mounted');
      return openRealVm(source, key);
    });
    const restored = again.fileSystem.resolve(handle, LOOPBACK);
    expect(again.fileSystem.attributes(restored)).toEqual(attributes);
    expect((await again.fileSystem.read(restored, 4096, 4096)).bytes[0]).toBe(7);
    // What lies in the backup waits for it, and is told.
    const reading = again.fileSystem.read(restored, 0, DISK_BYTES);
    await expect.poll(() => again.exports.status('s1').stalledSince).toBeDefined();
    expect(again.exports.status('s1').lastError).toContain('not mounted');
    destinationUp = true;
    expect(Buffer.compare((await reading).bytes, site.disk)).toBe(0);
    expect(again.exports.status('s1').stalledSince).toBeUndefined();
  });

  it('reports an export that can’t be restored, and restores the others', async () => {
    await using site = await testSite();
    const opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    await opened.exports.publish(publishRequest(site, 's2'));
    const handle = opened.fileSystem.handle(flatOf(opened.fileSystem, 's1'));
    const { volume } = opened.registry.export('s1')!;
    await opened.exports.close();
    await rm(join(site.stateDirectory, 'credentials', `overlay-${volume}.sealed`));
    const again = await openExports(site.stateDirectory);
    expect(again.exports.status('s1').lastError).toContain('could not be restored');
    expect(again.exports.status('s2').lastError).toBeUndefined();
    expect(() => again.fileSystem.resolve(handle, LOOPBACK)).toThrow(
      expect.objectContaining({ status: Nfs3Status.IO }) as Error,
    );
    await again.exports.drop('s1');
    await again.exports.close();
    await using third = await openExports(site.stateDirectory);
    expect(third.exports.statuses().map(({ sessionId }) => sessionId)).toEqual(['s2']);
  });
});

describe('changes that are gone', () => {
  it('are not taken for none: the export is not served until they are back', async () => {
    await using site = await testSite();
    const opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    const flat = flatOf(opened.fileSystem, 's1');
    await opened.fileSystem.write(flat, 0, Buffer.alloc(4096, 9), true);
    const handle = opened.fileSystem.handle(flat);
    const folder = overlayPath(site.stateDirectory, opened.registry.export('s1')!.volume);
    await opened.exports.close();
    await rename(folder, `${folder}-away`);

    const without = await openExports(site.stateDirectory);
    expect(without.exports.status('s1').lastError).toContain(`${folder} is empty`);
    expect(() => without.fileSystem.resolve(handle, LOOPBACK)).toThrow(
      expect.objectContaining({ status: Nfs3Status.IO }) as Error,
    );
    await without.exports.close();

    await rm(folder, { recursive: true });
    await rename(`${folder}-away`, folder);
    await using again = await openExports(site.stateDirectory);
    const restored = again.fileSystem.resolve(handle, LOOPBACK);
    expect((await again.fileSystem.read(restored, 0, 4096)).bytes[0]).toBe(9);
  });
});

describe('faults of the destination', () => {
  it('are waited out while they may pass, and answered at once when they can’t', async () => {
    await using site = await testSite();
    let failure: VaultError | undefined;
    await using opened = await openExports(site.stateDirectory, async (source, key) =>
      failing(await openRealVm(source, key), () => failure),
    );
    await opened.exports.publish(publishRequest(site, 's1'));
    const fs = opened.fileSystem;
    const flat = flatOf(fs, 's1');
    failure = new VaultError('DestinationUnavailable', 'the server restarts');
    const reading = fs.read(flat, 0, 4096);
    await expect.poll(() => opened.exports.status('s1').stalledSince).toBeDefined();
    failure = undefined;
    expect(Buffer.compare((await reading).bytes, site.disk.subarray(0, 4096))).toBe(0);
    failure = new VaultError('BlockCorrupt', 'file x, disk web01.vmdk, block 7 does not authenticate');
    await expect(fs.read(flat, 0, 4096)).rejects.toMatchObject({ status: Nfs3Status.IO });
    expect(opened.exports.status('s1').lastError).toContain('block 7');
    failure = new VaultError('DestinationUnavailable', 'gone');
    const abandoned = expect(fs.read(flat, 0, 4096)).rejects.toMatchObject({ status: Nfs3Status.JUKEBOX });
    await opened.exports.drop('s1');
    await abandoned;
  });

  it('end when a vault that was moved away is back', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    await opened.exports.publish(publishRequest(site, 's1'));
    const flat = flatOf(opened.fileSystem, 's1');
    await rename(site.vault, `${site.vault}-away`);
    try {
      const reading = opened.fileSystem.read(flat, 0, DISK_BYTES);
      await expect.poll(() => opened.exports.status('s1').stalledSince).toBeDefined();
      await rename(`${site.vault}-away`, site.vault);
      expect(Buffer.compare((await reading).bytes, site.disk)).toBe(0);
    } finally {
      await rename(`${site.vault}-away`, site.vault).catch(() => undefined);
    }
  });
});

function failing(vm: VmAtJob, failure: () => VaultError | undefined): VmAtJob {
  return {
    jobId: vm.jobId,
    kind: vm.kind,
    keptFrom: vm.keptFrom,
    vmName: vm.vmName,
    files: vm.files,
    disks: vm.disks,
    async openImage(diskName) {
      const image = await vm.openImage(diskName);
      return {
        sizeBytes: image.sizeBytes,
        blockSizeBytes: image.blockSizeBytes,
        async read(offsetBytes, into) {
          const error = failure();
          if (error !== undefined) throw error;
          await image.read(offsetBytes, into);
        },
        close: () => image.close(),
      };
    },
    close: () => vm.close(),
  };
}
