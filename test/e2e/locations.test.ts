// Where a finalize takes a VM, through a vCenter: into the place of the VM that was backed up, which stands as it stood
// whenever that does not come to its end; and disk by disk, card by card, under another name.
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { FinalizeResult, SessionStatus } from '../../contract/index.ts';
import type { LabVm } from '../../demo/lab-vm.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { connect, type Vm, type Vsphere } from '../../vsphere/index.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'vcenter' });
const SET = 'nightly';
const VM = 'web01';
/** Slow enough for something to happen in the middle of a migration. */
const SLOW_BYTES_PER_SECOND = 1 << 20;
const STEP_LIMIT_MS = 60_000;

let original: LabVm;
let uuid = '';

/** Two disks on two datastores, on the cluster's second host and in its child pool. */
beforeAll(async () => {
  const { house } = suite;
  original = await house.createVm(VM, { disks: [{ datastore: 'datastore2', sizeMiB: 8 }] });
  await house.backup(SET, original.folder);
  uuid = (await read(original.moref))?.uuid ?? '';
  await withVsphere(async (vsphere) => {
    const { hosts, resourcePools, datastores } = await vsphere.inventory();
    const home = datastores.find(({ name }) => name === 'datastore1')?.moref ?? '';
    const pool = resourcePools.find(({ path: inside }) => inside !== '')?.moref ?? '';
    const host = hosts.map(({ moref }) => moref).sort()[1] ?? '';
    await vsphere.relocateVm(original.moref, {
      ...{ datastore: home, host, pool },
      disks: [{ key: 2001, datastore: datastores.find(({ name }) => name === 'datastore2')?.moref ?? '' }],
    });
  });
});
afterEach(async () => {
  const { ready } = suite.house.stack.lab;
  await ready.setStorageRate(0);
  await ready.clearFaults();
});

async function withVsphere<T>(use: (vsphere: Vsphere) => Promise<T>): Promise<T> {
  await using vsphere = await connect(suite.house.stack.lab.ready);
  return await use(vsphere);
}

const read = (moref: string): Promise<Vm | undefined> => withVsphere((vsphere) => vsphere.readVm(moref));

const datastoresOf = (vm: Vm | undefined): readonly string[] =>
  [vm?.vmPathName ?? '', ...(vm?.disks ?? []).map(({ fileName }) => fileName)].map(
    (file) => /^\[(.+?)\] /.exec(file)?.[1] ?? '',
  );

test("a VM takes its original's place, which stands as it stood until then", async () => {
  const { house } = suite;
  const before = await read(original.moref);
  await original.powerOn();
  const session = await house.start(SET, VM, '--name', 'web01-new', '--network', 'disconnected');
  const { sessionId } = session;
  const vm = await house.sessionVm(session);
  const guest = await vm.guest();
  await guest.write('from-the-backup');
  const inPlace = [
    'finalize',
    sessionId,
    '--location',
    'original',
    '--power-off-original',
    '--remove-original',
  ];

  const refused = await house.run(['finalize', sessionId, '--location', 'original']);
  expect(refused.documents.at(-1)).toMatchObject({ error: { type: 'PreflightFailed' } });
  expect(JSON.stringify(refused.documents.at(-1))).toContain('--power-off-original');
  await expectBothAsBefore(session);

  await house.stack.lab.ready.addFault({
    method: 'RelocateVM_Task',
    action: 'failTask',
    fault: 'NoDiskSpace',
    times: 1,
  });
  expect((await house.run(inPlace)).code).toBe(1);
  expect((await house.show(sessionId)).finalize).toMatchObject({
    ...{ outcome: 'failed', original: { state: 'givenBack', standsAs: VM } },
  });
  await expectBothAsBefore(session);

  await house.stack.lab.ready.setStorageRate(SLOW_BYTES_PER_SECOND);
  await house.succeed([...inPlace, '--detach']);
  await until('the migration to be under way', STEP_LIMIT_MS, async () =>
    ((await house.show(sessionId)).finalize?.percent ?? 0) > 0 ? true : undefined,
  );
  expect(await read(original.moref)).toMatchObject({
    ...{ name: `web01.replaced-by-${sessionId}`, powerState: 'poweredOff' },
  });
  expect(await house.succeed(['finalize', sessionId, '--cancel'])).toMatchObject({ state: 'running' });
  await expectBothAsBefore(session);
  await house.stack.lab.ready.setStorageRate(0);

  const result = (await house.succeed(inPlace)) as unknown as FinalizeResult;
  expect(result).toMatchObject({
    state: 'finalized',
    mode: 'live',
    original: { name: VM, state: 'removed' },
  });
  expect(await read(original.moref)).toBeUndefined();
  const after = await read(vm.moref);
  const { host, folder, resourcePool } = before ?? {};
  expect(after).toMatchObject({ name: VM, powerState: 'poweredOn', host, folder, resourcePool, uuid });
  expect(datastoresOf(after)).toEqual(['datastore1', 'datastore1', 'datastore2']);
  expect(after?.nics[0]).toMatchObject({ network: 'VM Network', connected: true, startConnected: true });
  expect(await guest.boots()).toBe(1);
  expect(await guest.notes()).toEqual(['from-the-backup']);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});

/** The original runs under its name, and so does the session's VM under its own, from the gateway. */
async function expectBothAsBefore({ vm }: SessionStatus): Promise<void> {
  expect(await read(original.moref)).toMatchObject({ name: VM, powerState: 'poweredOn' });
  expect(await read(vm?.moref ?? '')).toMatchObject({ name: 'web01-new', powerState: 'poweredOn' });
}

test('each disk goes to its datastore and each card to its network, of a VM with a new name and new ids', async () => {
  const { house } = suite;
  const flags = ['--name', 'two', '--guest-timeout', '0', '--nic', 'ethernet0=disconnected'];
  const session = await house.start(SET, VM, ...flags, '--mac', 'renew', '--uuid', 'renew');
  const { sessionId } = session;
  const moref = session.vm?.moref ?? '';
  const started = await read(moref);
  expect(started?.nics[0]).toMatchObject({ startConnected: false });
  expect(started?.uuid).not.toBe(uuid);
  expect(started?.macs[0]).toMatch(/^00:50:56:[0-3]/);

  const [, second] = house.stack.lab.ready.datastores;
  const lost = path.join(second?.path ?? '', 'three');
  await mkdir(lost);
  await writeFile(path.join(lost, 'lost.vmdk'), 'somebody lost sight of it');
  const go = [
    ...[
      'finalize',
      sessionId,
      '--datastore',
      'datastore2',
      '--disk',
      'scsi0:1=datastore1',
      '--name',
      'three',
    ],
    ...['--nic', 'ethernet0=DC0_DVPG0', '--host', 'DC0_C0'],
  ];
  const refused = await house.run(go);
  expect(JSON.stringify(refused.documents.at(-1))).toContain('[datastore2] three/lost.vmdk');
  expect(await readdir(lost)).toEqual(['lost.vmdk']);

  const result = await house.succeed([...go, '--overwrite']);
  expect(result).toMatchObject({ state: 'finalized', mode: 'live', datastore: 'datastore2' });
  const after = await read(moref);
  expect(after).toMatchObject({
    name: 'three',
    vmPathName: '[datastore2] three/web01.vmx',
    macs: started?.macs,
  });
  expect([after?.uuid, after?.macs]).toEqual([started?.uuid, started?.macs]);
  expect(datastoresOf(after)).toEqual(['datastore2', 'datastore2', 'datastore1']);
  expect(after?.nics[0]).toMatchObject({ connected: true, startConnected: true });
  expect(after?.nics[0]?.portgroupKey).toMatch(/^dvportgroup-/);
  expect(await readdir(lost)).not.toContain('lost.vmdk');
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});
