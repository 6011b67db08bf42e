// A session's disks at one moment, as a keep reads them: what is told, what is refused and why, and when it is gone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ExportPoint } from './control-api.ts';
import { type ExportNode } from './export-file-system.ts';
import { GatewayClient, type OpenPoint } from './gateway-client.ts';
import { Points } from './points.ts';
import {
  DISK_BYTES,
  LOOPBACK,
  publishRequest,
  type TestSite,
  testGateway,
  testSite,
} from './testing/fixture.ts';
import { type OpenExports, openExports } from './testing/open-exports.ts';

const HOLDER = join(import.meta.dirname, 'testing', 'point-holder-process.ts');
const DISK = 'web01.vmdk';
const BLOCK = 64 * 1024;

interface Session extends AsyncDisposable {
  readonly opened: OpenExports;
  readonly points: Points;
  readonly site: TestSite;
  readonly directory: ExportNode;
  /** Makes the file where it is not there, and writes all of it. */
  put(name: string, bytes: Uint8Array | string): Promise<void>;
  get(name: string): Promise<string>;
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
}

async function session(): Promise<Session> {
  const site = await testSite();
  const opened = await openExports(site.stateDirectory);
  await opened.exports.publish(publishRequest(site, 's1'));
  const fs = opened.fileSystem;
  const directory = fs.lookup(fs.mount('/rundirect/esx1', LOOPBACK), 's1');
  return {
    ...{ opened, site, directory, points: new Points(opened.exports) },
    async put(name, content) {
      const bytes = Buffer.from(content);
      const sizeBytes = bytes.byteLength;
      const node = await fs.create(directory, name, { how: 'unchecked', attributes: { sizeBytes } });
      await fs.write(node, 0, bytes, true);
    },
    get: async (name) =>
      Buffer.from((await fs.read(fs.lookup(directory, name), 0, DISK_BYTES)).bytes).toString(),
    write: (offsetBytes, bytes) =>
      fs.write(fs.lookup(directory, 'web01-flat.vmdk'), offsetBytes, bytes, true),
    async [Symbol.asyncDispose]() {
      await opened[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    },
  };
}

function textOf({ files }: Pick<ExportPoint, 'files'>, name: string): string | undefined {
  const file = files.find((candidate) => candidate.name === name);
  return file && Buffer.from(file.contents, 'base64').toString();
}

const read = (points: Points, pointId: string, offsetBytes: number, lengthBytes: number): Promise<Buffer> =>
  points.read({ pointId, disk: DISK, offsetBytes, lengthBytes });

describe('a point of a session', () => {
  it('tells what changed and holds it, while the guest goes on', async () => {
    await using it = await session();
    const { points, site } = it;
    await it.write(3 * BLOCK + 100, Buffer.alloc(200, 1));
    await it.write(3 * BLOCK + 60_000, Buffer.alloc(2 * BLOCK, 2));
    await it.write(DISK_BYTES - 512, Buffer.alloc(512, 3));
    const then = Buffer.from(site.disk);
    then.fill(1, 3 * BLOCK + 100, 3 * BLOCK + 300);
    then.fill(2, 3 * BLOCK + 60_000, 5 * BLOCK + 60_000);
    then.fill(3, DISK_BYTES - 512);
    const point = await points.open('s1');
    await it.write(0, Buffer.alloc(DISK_BYTES, 9));
    expect(point).toMatchObject({
      source: { jobId: site.jobId, setKey: site.setKey, vmName: 'web01', backupSet: 'servers' },
      disks: [{ name: DISK, sizeBytes: DISK_BYTES, changedBytes: 3 * BLOCK + (DISK_BYTES % BLOCK) }],
    });
    expect(points.changes({ pointId: point.pointId, disk: DISK, fromBytes: 0 })).toEqual({
      ranges: [
        [3 * BLOCK, 3 * BLOCK],
        [DISK_BYTES - (DISK_BYTES % BLOCK), DISK_BYTES % BLOCK],
      ],
      nextBytes: undefined,
    });
    expect((await read(points, point.pointId, 0, DISK_BYTES)).equals(then)).toBe(true);
    points.close(point.pointId);
    points.close(point.pointId);
    await expect(read(points, point.pointId, 0, 512)).rejects.toMatchObject({ code: 'GatewayUnavailable' });
    const next = await points.open('s1');
    expect(next.disks[0]?.changedBytes).toBe(DISK_BYTES);
    points.close(next.pointId);
  });

  it('has the .vmx and descriptor of the backup, and the firmware settings of that moment', async () => {
    await using it = await session();
    expect(await it.get('web01.vmx')).toContain('rundirect.session');
    await it.put('web01.nvram', 'boot order of today');
    await it.put('vmware.log', 'a host wrote this');
    await it.put('web01-ctk.vmdk', 'changes that a host tracks');
    const point = await it.points.open('s1');
    await it.put('web01.nvram', 'boot order of tomorrow');
    const vmx = textOf(point, 'web01.vmx');
    expect(vmx).toContain('displayName = "web01"');
    expect(vmx).not.toContain('rundirect');
    expect(textOf(point, 'web01.nvram')).toBe('boot order of today');
    expect(textOf(point, DISK)).toContain('monolithicFlat');
    expect(point.files.map(({ name }) => name).sort()).toEqual(['web01.nvram', DISK, 'web01.vmx'].sort());
    it.points.close(point.pointId);
    // A host that is about to write it has emptied it: the backup's is better than none.
    await it.put('web01.nvram', '');
    const torn = await it.points.open('s1');
    expect(textOf(torn, 'web01.nvram')).toBe('nvram of web01');
  });

  it('has the descriptor of a disk that was made larger', async () => {
    await using it = await session();
    const fs = it.opened.fileSystem;
    const sizeBytes = 2 * DISK_BYTES;
    await fs.setAttributes(fs.lookup(it.directory, 'web01-flat.vmdk'), { sizeBytes }, undefined);
    await expect(it.points.open('s1')).rejects.toMatchObject({ code: 'Busy' });
    const descriptor = await it.get(DISK);
    await it.put(DISK, descriptor.replace(String(DISK_BYTES / 512), String(sizeBytes / 512)));
    const point = await it.points.open('s1');
    expect(point.disks).toEqual([{ name: DISK, sizeBytes, changedBytes: 0 }]);
    expect(textOf(point, DISK)).toContain(`RW ${sizeBytes / 512} VMFS`);
  });
});

describe('no point is taken', () => {
  it.each([
    ['a snapshot in the directory', 'web01-000001.vmdk', 'any', /web01-000001.vmdk.*snapshot/],
    ['the delta of one', 'web01-000001-delta.vmdk', 'any', /snapshot/],
    ['a disk that was added', 'web01_1.vmdk', 'any', /web01_1.vmdk/],
  ] as const)('from a VM with %s', async (_, name, content, message) => {
    await using it = await session();
    await it.put(name, content);
    await expect(it.points.open('s1')).rejects.toMatchObject({ code: 'NotSupported', message });
    await it.opened.fileSystem.remove(it.directory, name);
    await it.points.open('s1');
  });

  it.each([
    ['[vmfs01] web01/web01-000001.vmdk', 'NotSupported'],
    ['/vmfs/volumes/5f/web01/web01.vmdk', 'NotSupported'],
    ['/vmfs/volumes/5f/s1/web01.vmdk', undefined],
  ] as const)('from a VM whose disk is %s: %s', async (fileName, code) => {
    await using it = await session();
    const vmx = await it.get('web01.vmx');
    await it.put('web01.vmx', vmx.replace('fileName = "web01.vmdk"', `fileName = "${fileName}"`));
    const opening = it.points.open('s1');
    if (code === undefined) await opening;
    else await expect(opening).rejects.toMatchObject({ code, message: /snapshot/ });
  });

  it('while a host writes the .vmx, or when a disk is gone', async () => {
    await using it = await session();
    await it.put('web01.vmx', '');
    await expect(it.points.open('s1')).rejects.toMatchObject({ code: 'Busy' });
    await it.opened.fileSystem.remove(it.directory, 'web01.vmx');
    await expect(it.points.open('s1')).rejects.toMatchObject({ code: 'Busy' });
    await it.put('web01.vmx', 'displayName = "web01"\n');
    await it.opened.fileSystem.remove(it.directory, 'web01-flat.vmdk');
    await expect(it.points.open('s1')).rejects.toMatchObject({ code: 'NotSupported', message: /flat/ });
  });

  it('twice at once, behind a fence, or of a session that is not here', async () => {
    await using it = await session();
    const first = await it.points.open('s1');
    await expect(it.points.open('s1')).rejects.toMatchObject({ code: 'Busy' });
    it.points.close(first.pointId);
    await expect(it.points.open('s2')).rejects.toMatchObject({ code: 'NotFound' });
    await it.opened.exports.fence('s1', []);
    await expect(it.points.open('s1')).rejects.toMatchObject({ code: 'NotSupported', message: /production/ });
    await it.opened.exports.liftFence('s1');
    const again = await it.points.open('s1');
    await it.opened.exports.drop('s1');
    await expect(read(it.points, again.pointId, 0, 512)).rejects.toMatchObject({ code: 'NotFound' });
  });
});

describe('over the control socket', () => {
  /** The whole disk as a reader puts it together. */
  async function contents(point: OpenPoint): Promise<Buffer> {
    const bytes = Buffer.alloc(DISK_BYTES);
    for (let at = 0; at < DISK_BYTES; at += BLOCK) await point.read(DISK, at, bytes.subarray(at, at + BLOCK));
    return bytes;
  }

  it('a point is read for as long as its reader wants it', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    await client.publish(publishRequest(site, 's1'));
    let left: OpenPoint | undefined;
    await client.withPoint('s1', async (point) => {
      left = point;
      expect((await contents(point)).equals(site.disk)).toBe(true);
      for await (const range of point.changes(DISK)) expect(range, 'nothing has changed').toBeUndefined();
      await expect(point.read(DISK, DISK_BYTES, Buffer.alloc(512))).rejects.toMatchObject({
        code: 'InvalidInput',
      });
      await expect(point.read('other.vmdk', 0, Buffer.alloc(512))).rejects.toMatchObject({
        code: 'NotFound',
      });
      await expect(client.withPoint('s1', async () => undefined)).rejects.toMatchObject({ code: 'Busy' });
    });
    await expect.poll(() => client.withPoint('s1', async () => 'free').catch(() => 'taken')).toBe('free');
    await expect(left?.read(DISK, 0, Buffer.alloc(512))).rejects.toMatchObject({
      code: 'GatewayUnavailable',
    });
    const gone = new AbortController();
    await expect(
      client.withPoint(
        's1',
        async (point) => {
          gone.abort(new Error('told to'));
          await expect.poll(() => contents(point).catch(() => 'gone')).toBe('gone');
          gone.signal.throwIfAborted();
        },
        gone.signal,
      ),
    ).rejects.toThrow('told to');
  });

  it('it goes with its reader that is killed', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    await client.publish(publishRequest(site, 's1'));
    const holder = spawn(process.execPath, [HOLDER, gateway.controlSocketPath, 's1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await expect(client.withPoint('s1', async () => undefined)).rejects.toMatchObject({ code: 'Busy' });
    holder.kill('SIGKILL');
    await expect.poll(() => client.withPoint('s1', async () => 'free').catch(() => 'taken')).toBe('free');
  });

  it('it goes with the gateway, which its reader is told', async () => {
    await using site = await testSite();
    const gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    await client.publish(publishRequest(site, 's1'));
    await client.withPoint('s1', async (point) => {
      await gateway.close();
      await expect(contents(point)).rejects.toMatchObject({ code: 'GatewayUnavailable' });
      await using again = await testGateway(site);
      expect(again.controlSocketPath).toBe(gateway.controlSocketPath);
      // Another process, another moment.
      await expect(contents(point)).rejects.toMatchObject({ code: 'GatewayUnavailable' });
      await client.withPoint('s1', async (next) => {
        expect((await contents(next)).equals(site.disk)).toBe(true);
      });
    });
  });
});
