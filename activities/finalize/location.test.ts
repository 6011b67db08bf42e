// Where a finalize may take a VM, against a vCenter in memory: what preflight says of disks, names, folders and the
// original, and that the original is touched in the ways that were asked for, and no other VM is.
import { expect, it } from 'vitest';
import type {
  FinalizePlan,
  FinalizeRequest,
  OriginalPlan,
  RunningVmInput,
  SiteActivities,
} from '../../contract/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { FakeTarget, fakeDatastore, fakeHost } from '../../test/fake-target.ts';
import { fakePlacement } from '../../test/fake-world.ts';
import { runActivity } from '../../test/run-activity.ts';
import { eventually } from '../../test/temporal.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import { type Vm, VsphereError } from '../../vsphere/index.ts';

const SESSION = 'web01-x1';
const ASIDE = `web01.replaced-by-${SESSION}`;
const UUID = '564d1122-3344-5566-7788-99aabbccddee';
const INSTANCE = '50112233-4455-6677-8899-aabbccddeeff';
const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const input: RunningVmInput = {
  sessionId: SESSION,
  moref: 'vm-7',
  placement: { ...fakePlacement, origin: { name: 'web01', uuid: UUID, instanceUuid: INSTANCE } },
  exported: { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: `${SESSION}/web01.vmx` },
  target: { host: 'vc', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
};

const disk = (key: number, file: string) => ({
  ...{ key, node: `scsi0:${key - 2000}`, capacityBytes: 1024, parents: [] },
  fileName: file,
});
const card = { key: 4000, node: 'ethernet0', label: '', macAddress: 'm', connected: false };

/** A session's VM with two disks and a card that is unplugged. */
function vCenter(): FakeTarget {
  const target = new FakeTarget();
  target.isVirtualCenter = true;
  target.production = [fakeDatastore('prod'), fakeDatastore('fast')];
  target.folders = [{ moref: 'folder-1', name: 'vm', path: '', datacenter: 'dc-1' }];
  target.resourcePools = [{ moref: 'pool-7', name: 'web', path: 'web', computeResource: 'cr-1' }];
  target.mounts.set('rundirect-main', {
    ...{ name: 'rundirect-main', remoteHost: 'gw', remotePath: '/rundirect/lab-1' },
  });
  target.add({
    ...{ moref: 'vm-7', name: 'web01-new', folder: 'folder-1', powerState: 'poweredOn', uuid: UUID },
    vmPathName: `[rundirect-main] ${SESSION}/web01.vmx`,
    disks: ['web01', 'data'].map((name, at) => disk(2000 + at, `[rundirect-main] ${SESSION}/${name}.vmdk`)),
    nics: [{ ...card, startConnected: false, network: 'VM Network' }],
    extraConfig: { [SESSION_KEY]: SESSION },
  });
  return target;
}

/** The VM that the backup was made of, powered on. */
function withOriginal(change: Partial<Vm> = {}): FakeTarget {
  const target = vCenter();
  target.add({
    ...{ moref: 'vm-1', name: 'web01', folder: 'folder-1', resourcePool: 'pool-7', powerState: 'poweredOn' },
    ...{ uuid: UUID, instanceUuid: INSTANCE, vmPathName: '[prod] web01/web01.vmx' },
    disks: [disk(2000, '[prod] web01/web01.vmdk'), disk(2001, '[fast] web01/data.vmdk')],
    nics: [{ ...card, startConnected: true, network: 'VM Network' }],
    ...change,
  });
  return target;
}

function run<N extends keyof SiteActivities>(target: FakeTarget, name: N, more: object = {}, attempt = 1) {
  const step = { ...input, ...more } as unknown as Parameters<SiteActivities[N]>[0];
  return runActivity(activityDeps({ targets: target.targets }), name, step, { workflowId: SESSION, attempt });
}

const preflight = (target: FakeTarget, request: Partial<FinalizeRequest>): Promise<FinalizePlan> =>
  run(target, 'finalizePreflight', { request: { vmotion: 'live', ...request } }, 3);

const inPlace = { location: 'original', powerOffOriginal: true } as const;

it('sends each disk to its datastore, and looks for room on each', async () => {
  const target = vCenter();
  const disks = [{ node: 'scsi0:1', datastore: 'fast' }];
  const plan = await preflight(target, { datastore: 'prod', disks });
  expect(plan.disks).toEqual([{ node: 'scsi0:1', key: 2001, datastore: { moref: 'ds-fast', name: 'fast' } }]);
  const migrating = run(target, 'migrateVm', { plan });
  (await eventually('the migration', () => target.migration)).end('done');
  await migrating;
  expect(target.vms.get('vm-7')?.disks.map(({ fileName }) => fileName)).toEqual([
    '[prod] web01-new/web01.vmdk',
    '[fast] web01-new/data.vmdk',
  ]);
  target.production = [fakeDatastore('prod', { freeBytes: 1500 }), fakeDatastore('fast', { freeBytes: 100 })];
  await expect(preflight(vCenter(), { datastore: 'prod', disks })).resolves.toBeDefined();
  const full = vCenter();
  full.production = [fakeDatastore('prod', { freeBytes: 1500 }), fakeDatastore('fast', { freeBytes: 100 })];
  await expect(preflight(full, { datastore: 'prod', disks })).rejects.toThrow(
    'Datastore fast has 100 B free',
  );
});

it('does not take a disk that came to another datastore for one that has arrived', async () => {
  const target = vCenter();
  const plan = await preflight(target, {
    datastore: 'prod',
    disks: [{ node: 'scsi0:1', datastore: 'fast' }],
  });
  const migrating = run(target, 'migrateVm', { plan });
  migrating.catch(() => undefined);
  const migration = await eventually('the migration', () => target.migration);
  target.arriving.set('relocateVm', () => undefined);
  migration.end('done');
  await migrating;
  target.change('vm-7', { disks: [disk(2000, '[prod] w/web01.vmdk'), disk(2001, '[prod] w/data.vmdk')] });
  await expect(run(target, 'migrateVm', { plan })).rejects.toThrow(
    'some of it lies elsewhere: [prod] w/data.vmdk',
  );
});

it.each<[string, Partial<FinalizeRequest>]>([
  [
    'The VM has no disk scsi1:0; it has scsi0:0, scsi0:1',
    { disks: [{ node: 'scsi1:0', datastore: 'fast' }] },
  ],
  ['The target has no datastore slow', { disks: [{ node: 'scsi0:0', datastore: 'slow' }] }],
  [
    '--disk names scsi0:0 twice',
    { disks: ['prod', 'fast'].map((datastore) => ({ node: 'scsi0:0', datastore })) },
  ],
  ['The VM has no network card ethernet3; it has ethernet0', { cards: [{ node: 'ethernet3' }] }],
  ['Host esx01 has no network DMZ', { cards: [{ node: 'ethernet0', network: 'DMZ' }] }],
  ['to bring it to another vCenter or host, start it there', { host: 'vcenter2.example' }],
  ['go with --location original', { removeOriginal: true }],
])('says that %s', async (words, request) => {
  await expect(preflight(vCenter(), { datastore: 'prod', ...request })).rejects.toThrow(words);
});

it('needs a place to go to', async () => {
  await expect(preflight(vCenter(), {})).rejects.toThrow('--datastore, or --location original');
});

it('takes a cluster for a host, and stays where it is within its own', async () => {
  const cluster = (name: string) => ({
    moref: `cl-${name}`,
    name,
    isCluster: true,
    resourcePool: `pool-${name}`,
  });
  const target = vCenter();
  target.hosts = [
    { ...fakeHost, computeResource: cluster('blue') },
    { ...fakeHost, moref: 'host-2', name: 'esx02', computeResource: cluster('green') },
    { ...fakeHost, moref: 'host-3', name: 'esx03', computeResource: cluster('green') },
  ];
  target.production = [fakeDatastore('prod', { hosts: ['host-1', 'host-3'] })];
  expect(await preflight(target, { datastore: 'prod', host: 'blue' })).toMatchObject({ host: undefined });
  expect(await preflight(target, { datastore: 'prod', host: 'green' })).toMatchObject({
    ...{ host: { name: 'esx03' }, resourcePool: 'pool-green' },
  });
});

it('gives the VM another name before it goes, and its own back when it does not', async () => {
  const target = vCenter();
  const plan = await preflight(target, { datastore: 'prod', name: 'web02' });
  expect(plan.rename).toEqual({ from: 'web01-new', to: 'web02' });
  const migrating = run(target, 'migrateVm', { plan });
  migrating.catch(() => undefined);
  await eventually('the migration', () => target.migration);
  expect(target.vms.get('vm-7')?.name).toBe('web02');
  await run(target, 'endMigration', { plan });
  await expect(migrating).rejects.toMatchObject({ type: 'FinalizeCancelled' });
  expect(target.vms.get('vm-7')?.name).toBe('web01-new');
});

it("takes no name of another VM in the folder, and another folder's at will", async () => {
  const target = vCenter();
  target.add({ name: 'web02', folder: 'folder-1' });
  target.add({ name: 'web03', folder: 'folder-9' });
  await expect(preflight(target, { datastore: 'prod', name: 'web02' })).rejects.toMatchObject({
    type: 'NameTaken',
  });
  expect((await preflight(target, { datastore: 'prod', name: 'web03' })).rename?.to).toBe('web03');
});

it('names files that no VM uses, and has them removed where that is asked for', async () => {
  const target = vCenter();
  target.files.set('[prod] web02', ['web02.vmx', 'web02.vmdk']);
  const request = { datastore: 'prod', name: 'web02' };
  await expect(preflight(target, request)).rejects.toThrow(
    '[prod] web02 that no VM uses: [prod] web02/web02.vmx, [prod] web02/web02.vmdk',
  );
  const plan = await preflight(target, { ...request, overwrite: true });
  expect(plan.overwrite).toEqual(['[prod] web02']);
  // Somebody registers a VM from them meanwhile.
  target.add({ moref: 'vm-9', name: 'old', vmPathName: '[prod] web02/web02.vmx' });
  await expect(run(target, 'clearFolders', { plan })).rejects.toMatchObject({ type: 'NotOurs' });
  expect((await preflight(target, request)).warnings).toMatchObject([{ code: 'FolderTaken' }]);
  target.vms.delete('vm-9');
  await run(target, 'clearFolders', { plan });
  expect(target.files.size).toBe(0);
  // Again, after the VM has come there.
  target.change('vm-7', { vmPathName: '[prod] web02/web01.vmx' });
  target.files.set('[prod] web02', ['web01.vmx']);
  await run(target, 'clearFolders', { plan });
  expect(target.files.size).toBe(1);
});

it('goes on where it may not look into the folder: a target writes over nothing', async () => {
  const target = vCenter();
  target.arriving.set('listFolder', () => {
    throw new VsphereError('NoPermission', 'Datastore.Browse is missing');
  });
  const { warnings } = await preflight(target, { datastore: 'prod' });
  expect(warnings).toMatchObject([{ code: 'FolderUnknown' }]);
});

it('removes no files that a host has open', async () => {
  const target = vCenter();
  target.files.set('[prod] web02', ['web02.vmx', 'web02.vmx.lck']);
  const request = { datastore: 'prod', name: 'web02', overwrite: true };
  await expect(preflight(target, request)).rejects.toThrow(
    '[prod] web02/web02.vmx.lck shows that a host has',
  );
});

it('removes no folder that holds more than the files of a VM', async () => {
  const target = vCenter();
  const files = ['web02.vmx', 'web02-flat.vmdk', 'web02.vmx~', 'vmware-1.log', 'vmx-zdump.000', '.sdd.sf'];
  target.files.set('[prod] web02', files);
  const request = { datastore: 'prod', name: 'web02', overwrite: true };
  const plan = await preflight(target, request);
  expect(plan.overwrite).toEqual(['[prod] web02']);
  target.files.set('[prod] web02', [...files, 'installer.iso']);
  await expect(preflight(target, request)).rejects.toThrow(
    'web02/installer.iso in [prod] web02 is no file of a VM',
  );
  await expect(run(target, 'clearFolders', { plan })).rejects.toMatchObject({ type: 'NotOurs' });
  expect(target.files.size).toBe(1);
});

it('removes no folder of a vSAN that a VM has its files in, by the UUID that it is called by', async () => {
  const target = vCenter();
  target.files.set('[prod] web02', ['web02.vmx']);
  const request = { datastore: 'prod', name: 'web02', overwrite: true };
  const plan = await preflight(target, request);
  target.lastingPaths.set('[prod] web02', '[prod] 5f00');
  target.add({ moref: 'vm-9', name: 'web02', folder: 'folder-9', vmPathName: '[prod] 5f00/web02.vmx' });
  expect((await preflight(target, request)).warnings).toMatchObject([{ code: 'FolderTaken' }]);
  await expect(run(target, 'clearFolders', { plan })).rejects.toMatchObject({ type: 'NotOurs' });
  expect(target.files.size).toBe(1);
});

it('removes no files of a VM that another session is bringing there', async () => {
  const target = vCenter();
  target.files.set('[prod] web02', ['web02.vmdk']);
  const request = { datastore: 'prod', name: 'web02', overwrite: true };
  const plan = await preflight(target, request);
  target.files.get('[prod] web02')?.push('rundirect-other.restore');
  await expect(preflight(target, request)).rejects.toThrow('another session is bringing its VM');
  await expect(run(target, 'clearFolders', { plan })).rejects.toMatchObject({ type: 'NotOurs' });
  expect(target.files.size).toBe(1);
});

it("takes the original's place: folder, pool, host, datastores, networks and name", async () => {
  const plan = await preflight(withOriginal(), inPlace);
  expect(plan).toMatchObject({
    datastore: { name: 'prod' },
    disks: [{ node: 'scsi0:1', datastore: { name: 'fast' } }],
    cards: [{ node: 'ethernet0', network: { name: 'VM Network' } }],
    rename: { from: 'web01-new', to: 'web01' },
    original: {
      ...{ moref: 'vm-1', name: 'web01', asideName: ASIDE, uuid: UUID, wasPoweredOn: true, remove: false },
      recognised: `by the UUID of its instance, ${INSTANCE}`,
    },
  });
  const elsewhere = await preflight(withOriginal(), { ...inPlace, datastore: 'fast', name: 'web09' });
  expect(elsewhere).toMatchObject({ datastore: { name: 'fast' }, rename: { to: 'web09' } });
  expect(elsewhere.disks).toBeUndefined();
});

it('tells the original from others by its UUIDs, and says how', async () => {
  const byBios = await preflight(withOriginal({ instanceUuid: 'other' }), inPlace);
  expect(byBios.original?.recognised).toBe(`by the UUID of its BIOS, ${UUID}`);
  const twins = withOriginal({ instanceUuid: 'other' });
  twins.add({ moref: 'vm-2', name: 'clone', uuid: UUID });
  expect((await preflight(twins, inPlace)).original?.recognised).toContain('by its name and the UUID');
  twins.change('vm-1', { name: 'renamed' });
  await expect(preflight(twins, inPlace)).rejects.toThrow('Several VMs have the UUID');
  // One that another session replaced, and another session's own, are not it.
  const replaced = withOriginal({ name: 'web01.replaced-by-web01-x0' });
  replaced.add({ moref: 'vm-3', name: 'web01-test', uuid: UUID, extraConfig: { [SESSION_KEY]: 'web01-x9' } });
  await expect(preflight(replaced, inPlace)).rejects.toThrow('No VM on the target is the original');
  // One that this session could not give back is.
  const left = await preflight(withOriginal({ name: ASIDE }), inPlace);
  expect(left.original).toMatchObject({ name: 'web01', asideName: ASIDE });
});

it('powers no original off that runs without being told to', async () => {
  await expect(preflight(withOriginal(), { location: 'original' })).rejects.toThrow('--power-off-original');
  await expect(preflight(withOriginal({ powerState: 'suspended' }), inPlace)).rejects.toThrow('is suspended');
  const off = await preflight(withOriginal({ powerState: 'poweredOff' }), { location: 'original' });
  expect(off.original?.wasPoweredOn).toBe(false);
});

it('sets the original aside, and gives it back, again and again', async () => {
  const target = withOriginal({ toolsRunningStatus: 'guestToolsRunning' });
  const plan = await preflight(target, inPlace);
  await run(target, 'setOriginalAside', { plan });
  await run(target, 'setOriginalAside', { plan });
  expect(target.vms.get('vm-1')).toMatchObject({ name: ASIDE, powerState: 'poweredOff' });
  expect(await run(target, 'restoreOriginal', { plan })).toEqual({ standsAs: 'web01' });
  expect(await run(target, 'restoreOriginal', { plan })).toEqual({ standsAs: 'web01' });
  expect(target.vms.get('vm-1')).toMatchObject({ name: 'web01', powerState: 'poweredOn' });
  target.vms.delete('vm-1');
  expect(await run(target, 'restoreOriginal', { plan })).toEqual({ standsAs: undefined });
});

it('gives nothing back beside a new VM that is in production', async () => {
  const target = withOriginal();
  const plan = await preflight(target, inPlace);
  await run(target, 'setOriginalAside', { plan });
  target.change('vm-7', { vmPathName: '[prod] web01/web01.vmx', disks: [] });
  await expect(run(target, 'restoreOriginal', { plan })).rejects.toMatchObject({ type: 'VmMoved' });
  expect(target.vms.get('vm-1')).toMatchObject({ name: ASIDE, powerState: 'poweredOff' });
});

it('touches no VM that is another one by now', async () => {
  const plan = await preflight(withOriginal({ powerState: 'poweredOff' }), {
    ...inPlace,
    removeOriginal: true,
  });
  const changes: Partial<Vm>[] = [
    { uuid: 'another' },
    { name: 'renamed' },
    { extraConfig: { [SESSION_KEY]: 'web01-x9' } },
  ];
  for (const change of changes) {
    const target = withOriginal({ powerState: 'poweredOff', ...change });
    for (const step of ['setOriginalAside', 'restoreOriginal', 'removeOriginal'] as const) {
      await expect(run(target, step, { plan })).rejects.toMatchObject({ type: 'NotOurs' });
    }
    expect(target.vms.get('vm-1')).toMatchObject({ powerState: 'poweredOff', ...change });
  }
  // Started since: nobody has said that it may be powered off.
  const started = withOriginal();
  await expect(run(started, 'setOriginalAside', { plan })).rejects.toThrow('was started meanwhile');
});

it('ends no suspended state of an original that ran when it was looked at', async () => {
  const plan = await preflight(withOriginal(), inPlace);
  const target = withOriginal({ powerState: 'suspended' });
  await expect(run(target, 'setOriginalAside', { plan })).rejects.toThrow('was suspended meanwhile');
  expect(target.vms.get('vm-1')).toMatchObject({ name: 'web01', powerState: 'suspended' });
});

it('gives a long name back whole that is set aside under a shorter one', async () => {
  const name = `x${'\u{1F980}'.repeat(39)}`;
  const target = withOriginal({ name });
  const plan = await preflight(target, inPlace);
  const asideName = plan.original?.asideName ?? '';
  expect(asideName.isWellFormed()).toBe(true);
  expect(asideName.length).toBeLessThanOrEqual(80);
  await run(target, 'setOriginalAside', { plan });
  expect(target.vms.get('vm-1')?.name).toBe(asideName);
  expect(await run(target, 'restoreOriginal', { plan })).toEqual({ standsAs: name });
});

it('deletes an original that is set aside and off, and whose disks are its own', async () => {
  const target = withOriginal({ powerState: 'poweredOff' });
  const plan = await preflight(target, { ...inPlace, removeOriginal: true });
  expect(plan.original?.remove).toBe(true);
  await expect(run(target, 'removeOriginal', { plan })).rejects.toThrow('not set aside');
  await run(target, 'setOriginalAside', { plan });
  target.add({ moref: 'vm-2', name: 'linked', disks: [disk(2000, '[fast] web01/data.vmdk')] });
  await expect(run(target, 'removeOriginal', { plan })).rejects.toThrow('linked uses [fast] web01/data.vmdk');
  target.vms.delete('vm-2');
  await run(target, 'removeOriginal', { plan });
  await run(target, 'removeOriginal', { plan });
  expect(target.vms.has('vm-1')).toBe(false);
});

it('takes a VM for proven that is there, powered as it was, with a guest that is heard of', async () => {
  const original = { moref: 'vm-1' } as OriginalPlan;
  const plan = { ...(await preflight(vCenter(), { datastore: 'prod' })), original };
  const target = vCenter();
  const prove = (more: object = {}) =>
    run(target, 'proveArrival', { plan, powerState: 'poweredOn', heartbeatTimeoutMs: 50, ...more });
  expect(await prove()).toMatchObject({
    proven: false,
    detail: expect.stringContaining('is not where') as string,
  });
  target.change('vm-7', { vmPathName: '[prod] w/web01.vmx', disks: [disk(2000, '[prod] w/web01.vmdk')] });
  expect(await prove()).toMatchObject({
    proven: false,
    detail: expect.stringContaining('heartbeat') as string,
  });
  expect(await prove({ powerState: 'poweredOff' })).toMatchObject({ proven: false });
  expect(await prove({ heartbeatTimeoutMs: 0 })).toMatchObject({ proven: true });
  target.change('vm-7', { guestHeartbeatStatus: 'green' });
  expect(await prove()).toMatchObject({ proven: true });
});

const nameless = { ...fakePlacement, origin: { name: 'web01', uuid: undefined, instanceUuid: undefined } };

it('takes no VM for the original by its name alone, and says which one to name', async () => {
  const request = { vmotion: 'live', ...inPlace };
  const asked = run(withOriginal(), 'finalizePreflight', { placement: nameless, request }, 3);
  await expect(asked).rejects.toThrow(
    'The backup knows no UUID that its original could be told by; called as in the backup is web01 (vm-1). Say which VM ' +
      'it is with --original NAME',
  );
});

it.each<[string, Partial<Vm>, string]>([
  [
    'a disk that the backup does not have',
    { disks: [0, 1, 2].map((at) => disk(2000 + at, `[prod] web01/disk${at}.vmdk`)) },
    'its disks are scsi0:0 disk0.vmdk, scsi0:1 disk1.vmdk, scsi0:2 disk2.vmdk, and those of the backup scsi0:0 ' +
      'web01.vmdk, scsi0:1 data.vmdk',
  ],
  ['another name', { name: 'web02' }, 'No VM on the target is web01, as --original says'],
  ["a session's mark", { extraConfig: { [SESSION_KEY]: 'web01-x2' } }, "or it is a session's own"],
])('refuses a VM that was named for the original and has %s', async (_, change, words) => {
  const request = { vmotion: 'live', ...inPlace, original: 'web01' };
  const asked = run(withOriginal(change), 'finalizePreflight', { placement: nameless, request }, 3);
  await expect(asked).rejects.toThrow(words);
});

it('takes the VM that is named for the original where its disks are those of the backup', async () => {
  const onSnapshot = {
    ...disk(2000, '[prod] web01/web01-000001.vmdk'),
    parents: ['[prod] web01/web01.vmdk'],
  };
  const target = withOriginal({ disks: [disk(2001, '[fast] web01/data.vmdk'), onSnapshot] });
  target.add({ moref: 'vm-2', name: 'web01', folder: 'folder-2' });
  const byName = { vmotion: 'live', ...inPlace, original: 'web01' };
  const twice = run(target, 'finalizePreflight', { placement: nameless, request: byName }, 3);
  await expect(twice).rejects.toThrow('Say which one by its reference: --original vm-1');
  const request = { vmotion: 'live', ...inPlace, original: 'vm-1' };
  const plan = await run(target, 'finalizePreflight', { placement: nameless, request }, 3);
  expect(plan.original).toMatchObject({
    ...{ moref: 'vm-1', name: 'web01', recognised: 'by the name that was given and by its disks' },
  });
});

it('settles by a name which of several with the UUID it is, and believes no name against the UUID', async () => {
  const target = withOriginal({ instanceUuid: '' });
  target.add({ moref: 'vm-2', name: 'web01', folder: 'folder-2', uuid: UUID });
  target.add({ moref: 'vm-3', name: 'web03', folder: 'folder-2', uuid: 'other' });
  await expect(preflight(target, inPlace)).rejects.toThrow('Say which one with --original vm-1, for one');
  const plan = await preflight(target, { ...inPlace, original: 'vm-1' });
  expect(plan.original).toMatchObject({ moref: 'vm-1', recognised: `by the UUID of its BIOS, ${UUID}` });
  await expect(preflight(target, { ...inPlace, original: 'web03' })).rejects.toThrow(
    `web03 (vm-3) is not the original of this backup: it does not have the UUID ${INSTANCE} or ${UUID}`,
  );
});
