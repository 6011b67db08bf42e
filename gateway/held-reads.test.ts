// Reads that are held back, as a host meets them: of one session's disks alone, through restarts, until it is lifted or
// somebody runs from the disk.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Nfs3Status } from '../nfs/index.ts';
import { type ExportFileSystem, type ExportNode } from './export-file-system.ts';
import { GatewayClient } from './gateway-client.ts';
import { DISK_BYTES, LOOPBACK, publishRequest, testGateway, testSite } from './testing/fixture.ts';
import { openExports } from './testing/open-exports.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const comeAgain = { status: Nfs3Status.JUKEBOX };

const fileOf = (fs: ExportFileSystem, name: string, session = 's1'): ExportNode =>
  fs.lookup(fs.lookup(fs.mount('/rundirect/esx1', LOOPBACK), session), name);
const readDisk = async (fs: ExportFileSystem, session = 's1'): Promise<Uint8Array> =>
  (await fs.read(fileOf(fs, 'web01-flat.vmdk', session), 0, DISK_BYTES)).bytes;

describe('a session whose reads are held back', () => {
  it('answers all but its disks at once, and other sessions as ever; a disk’s READ is to come again', async () => {
    await using site = await testSite();
    await using opened = await openExports(site.stateDirectory);
    const { exports, fileSystem: fs } = opened;
    for (const session of ['s1', 's2']) await exports.publish(publishRequest(site, session));
    await exports.limitReads('s1', 0);
    await exports.limitReads('s1', 0);
    expect(exports.status('s1').readLimit).toBe(0);
    const held = Array.from({ length: 40 }, () => readDisk(fs));
    // Those that wait are still there when all of this is done.
    const sentAway = Promise.allSettled(held);
    expect(fs.attributes(fileOf(fs, 'web01-flat.vmdk')).sizeBytes).toBe(DISK_BYTES);
    expect((await fs.read(fileOf(fs, 'web01.vmx'), 0, 65536)).bytes.length).toBeGreaterThan(0);
    expect((await fs.read(fileOf(fs, 'web01.vmdk'), 0, 65536)).eof).toBe(true);
    expect(Buffer.from(await readDisk(fs, 's2')).equals(site.disk)).toBe(true);
    for (const outcome of await sentAway)
      expect(outcome).toMatchObject({ status: 'rejected', reason: comeAgain });
    await exports.liftReadLimit('s1');
    await exports.liftReadLimit('s1');
    expect(exports.status('s1').readLimit).toBeUndefined();
    expect(Buffer.from(await readDisk(fs)).equals(site.disk)).toBe(true);
  });

  it('is so after a restart, until it is lifted, and goes with the export', async () => {
    await using site = await testSite();
    const first = await openExports(site.stateDirectory);
    await first.exports.publish(publishRequest(site, 's1'));
    await first.exports.limitReads('s1', 0);
    await first.exports.close();
    const second = await openExports(site.stateDirectory);
    expect(second.exports.status('s1').readLimit).toBe(0);
    const waiting = readDisk(second.fileSystem);
    await second.exports.limitReads('s1', 64 * MIB);
    expect(Buffer.from(await waiting).equals(site.disk)).toBe(true);
    await second.exports.close();
    await using third = await openExports(site.stateDirectory);
    expect(third.exports.status('s1').readLimit).toBe(64 * MIB);
    await third.exports.drop('s1');
    await third.exports.liftReadLimit('s1');
    await expect(third.exports.limitReads('s1', 0)).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('is held back no more when somebody writes to a disk of it, for good', async () => {
    await using site = await testSite();
    const first = await openExports(site.stateDirectory);
    const { exports, fileSystem: fs } = first;
    await exports.publish(publishRequest(site, 's1'));
    await exports.limitReads('s1', 0);
    await fs.write(fileOf(fs, 'web01.nvram'), 0, Buffer.from('small files are written by all'), true);
    expect(exports.status('s1').readLimit).toBe(0);
    const waiting = readDisk(fs);
    await fs.write(fileOf(fs, 'web01-flat.vmdk'), 0, Buffer.alloc(512), true);
    await waiting;
    await expect.poll(() => exports.status('s1').readLimit).toBeUndefined();
    await exports.close();
    await using second = await openExports(site.stateDirectory);
    expect(second.exports.status('s1').readLimit).toBeUndefined();
    await readDisk(second.fileSystem);
  });

  it('is read by a foreign client at the rate that was asked for over the control socket, byte for byte', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    const { nfs, mount } = gateway.ports;
    const cat = async (session: string): Promise<Buffer> => {
      const url = `nfs://127.0.0.1/rundirect/esx1/${session}/web01-flat.vmdk?version=3&nfsport=${nfs}&mountport=${mount}`;
      return (await run('nfs-cat', [url], { encoding: 'buffer', maxBuffer: 8 * MIB })).stdout;
    };
    for (const session of ['s1', 's2']) await client.publish(publishRequest(site, session));
    await client.limitReads('s1', MIB);
    const beganMs = performance.now();
    const slow = cat('s1').then((bytes) => ({ bytes, tookMs: performance.now() - beganMs }));
    expect((await cat('s2')).equals(site.disk)).toBe(true);
    const { bytes, tookMs } = await slow;
    expect(bytes.equals(site.disk)).toBe(true);
    // All but the last READ, of a mebibyte at the most, and what was saved up.
    expect(tookMs).toBeGreaterThan((1_000 * (DISK_BYTES - MIB)) / MIB - 260);
    await client.liftReadLimit('s1');
    expect(await client.exportStatus('s1')).not.toHaveProperty('readLimit');
    await expect(client.limitReads('s1', -1)).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(client.limitReads('s3', 1)).rejects.toMatchObject({ code: 'NotFound' });
    await client.liftReadLimit('s3');
  });
});
