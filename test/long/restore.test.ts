// A VM with a disk of 1 GiB that is full goes to production storage, on both kinds of target: every byte of it, and
// how fast that was.
import { randomFillSync } from 'node:crypto';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { connect } from '../../vsphere/index.ts';
import { destroy, expectRestored, type Original, prepareOriginal, restore } from '../e2e/restores.ts';
import { withHouse } from '../e2e/with-house.ts';

const MIB = 1024 * 1024;
const DISK_MIB = 1024;
const UNPLUGGED = ['--network', 'disconnected'];

describe.each(['esx', 'vcenter'] as const)('through %s', (model) => {
  const suite = withHouse({ model });
  let original: Original;
  beforeAll(async () => {
    original = await prepareOriginal(suite.house, DISK_MIB, fill);
  });

  test('every byte comes back, and the VM boots', async () => {
    const { house } = suite;
    const off = await restore(house, '--name', 'off');
    await expectRestored(house, original, off);
    const { totalBytes = 0, copyMs = 1 } = off.restore ?? {};
    console.log(
      `${model}: ${totalBytes} bytes in ${copyMs} ms, ${(totalBytes / MIB / (copyMs / 1000)).toFixed(0)} MiB/s`,
    );
    await destroy(house, off);
    const on = await restore(house, '--name', 'on', '--power-on', ...UNPLUGGED);
    expect(on).toMatchObject({ state: 'restored', status: 'OK', guest: 'ready' });
    const vm = await house.sessionVm(on);
    expect(await (await vm.guest()).boots()).toBe(1);
    await destroy(house, on);
  });

  test('to a vSAN, whose folders are objects', async () => {
    const { house } = suite;
    const status = await restore(
      house,
      ...['--name', 'on-vsan', '--datastore', 'vsan1', '--power-on'],
      ...UNPLUGGED,
    );
    expect(status).toMatchObject({ state: 'restored', status: 'OK', guest: 'ready' });
    expect(status.restore?.location).toMatch(/^\[vsan1\] [0-9a-f]{8}-/);
    const vm = await house.sessionVm(status);
    expect(await (await vm.guest()).boots()).toBe(1);
    expect(await leftovers(house.stack, status.sessionId)).toEqual([]);
    await destroy(house, status);
  });

  test.each([
    ['its second disk', ['--disk', 'scsi0:1=vsan1'], ['datastore1', 'datastore1', 'vsan1']],
    [
      'all but its second disk',
      ['--datastore', 'vsan1', '--disk', 'scsi0:1=datastore1'],
      ['vsan1', 'vsan1', 'datastore1'],
    ],
  ])('to a vSAN with %s', async (_, flags, datastores) => {
    const { house } = suite;
    const status = await restore(house, '--name', 'on-both', '--power-on', ...flags, ...UNPLUGGED);
    expect(status).toMatchObject({ state: 'restored', status: 'OK', guest: 'ready' });
    await using vsphere = await connect(house.stack.lab.ready);
    const vm = await vsphere.readVm(status.vm?.moref ?? '');
    const files = [vm?.vmPathName ?? '', ...(vm?.disks ?? []).map(({ fileName }) => fileName)];
    expect(files.map((file) => /^\[(.+?)\] /.exec(file)?.[1])).toEqual(datastores);
    expect(await leftovers(house.stack, status.sessionId)).toEqual([]);
    await destroy(house, status);
  });
});

async function fill(folder: string, name: string): Promise<void> {
  const file = await open(path.join(folder, name), 'r+');
  const chunk = new Uint8Array(16 * MIB);
  for (let offset = 0; offset < DISK_MIB * MIB; offset += chunk.length)
    await file.write(randomFillSync(chunk), 0, chunk.length, offset);
  await file.close();
}
