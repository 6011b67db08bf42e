// The steps of a crossing against a host in memory that keeps files: which way its preflight finds, whose folder is
// whose, and what each step leaves when it runs again, or when the VM is not what it was.
import { beforeEach, describe, expect, it } from 'vitest';
import type {
  CrossingDisk,
  CrossingPlan,
  FinalizeRequest,
  RunningVmInput,
  SiteActivities,
} from '../../../contract/index.ts';
import { activityDeps } from '../../../test/activity-deps.ts';
import { FakeGateway } from '../../../test/fake-gateway.ts';
import { FakeTarget, fakeDatastore, fakeHost } from '../../../test/fake-target.ts';
import { fakePlacement } from '../../../test/fake-world.ts';
import { runActivity } from '../../../test/run-activity.ts';
import { SESSION_KEY } from '../../../vm-folder/index.ts';
import { type Vm, type Vsphere, VsphereError } from '../../../vsphere/index.ts';

const SESSION = 'web01-x1';
const HERE = `[rundirect-main] ${SESSION}`;
const THERE = '[prod] web01';
const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const input: RunningVmInput = {
  sessionId: SESSION,
  moref: 'vm-7',
  placement: fakePlacement,
  exported: { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: `${SESSION}/web01.vmx` },
  target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
};
const crossing: CrossingPlan = {
  folder: { datastore: 'prod', folder: 'web01' },
  whileRunning: true,
  place: { name: 'web01', folder: 'group-v1', resourcePool: 'resgroup-1', host: 'host-1' },
  from: { name: 'web01', folder: 'group-v1', resourcePool: 'resgroup-1', host: 'host-1' },
};
const disk: CrossingDisk = {
  top: `${HERE}/web01-000001.vmdk`,
  frozen: `${HERE}/web01.vmdk`,
  base: `${HERE}/web01.vmdk`,
  copy: `${THERE}/web01.vmdk`,
  sizeBytes: 1024,
  cid: '0badcafe',
  parent: { cid: 'fffffffe', hint: 'web01.vmdk' },
};
const flat = (cid: string): string =>
  `# Disk DescriptorFile\nCID=${cid}\nparentCID=ffffffff\ncreateType="vmfs"\nRW 2 VMFS "web01-flat.vmdk"\n`;
const DELTA =
  '# Disk DescriptorFile\nCID=0badcafe\nparentCID=fffffffe\ncreateType="vmfsSparse"\n' +
  'parentFileNameHint="web01.vmdk"\nRW 2 VMFSSPARSE "web01-000001-delta.vmdk"\n';
const VMX =
  `displayName = "web01"\nmemsize = "64"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "web01-000001.vmdk"\n` +
  `rundirect.session = "${SESSION}"\ncheckpoint.vmState = "web01-7.vmss"\n`;

let target: FakeTarget;
let gateway: FakeGateway;
let files: Map<string, string>;

beforeEach(() => {
  target = new FakeTarget();
  gateway = new FakeGateway();
  target.mounts.set('rundirect-main', {
    name: 'rundirect-main',
    remoteHost: 'gw',
    remotePath: '/rundirect/lab-1',
  });
  files = new Map([
    [disk.base, flat('fffffffe')],
    [`${HERE}/web01-flat.vmdk`, ''],
    [disk.top, DELTA],
    [`${HERE}/web01-000001-delta.vmdk`, ''],
    [`${HERE}/web01.vmx`, VMX],
    [`${HERE}/web01.nvram`, 'boot entries'],
    [`${HERE}/web01-7.vmss`, ''],
    [`${HERE}/web01-7.vmem`, ''],
    [disk.copy, flat('12345678')],
  ]);
  const calls: Partial<Vsphere> = {
    listFolder: async (folder) => {
      const found = [...files.keys()].filter((path) => path.startsWith(`${folder}/`));
      if (found.length === 0) return undefined;
      return found.map((path) => ({ path, isFolder: false, sizeBytes: 1, modified: undefined }));
    },
    makeDirectory: async (path) => path,
    downloadFile: async (path) => {
      const content = files.get(path);
      if (content === undefined) throw new VsphereError('NotFound', `no ${path}`);
      return Buffer.from(content);
    },
    uploadFile: async (path, content) => {
      files.set(path, Buffer.from(content).toString());
    },
    copyDatastoreFile: async ({ source, destination }) => {
      files.set(destination, files.get(source) ?? '');
    },
    deleteDatastoreFile: async (path) => {
      for (const file of files.keys()) if (file === path || file.startsWith(`${path}/`)) files.delete(file);
    },
    registerVm: async ({ path, name }) => {
      const known = [...target.vms.values()].find(({ vmPathName }) => vmPathName === path);
      return known?.moref ?? target.add({ name, vmPathName: path, disks: disksOfNext }).moref;
    },
  };
  Object.assign(target.vsphere, calls);
  addVm();
});

let disksOfNext: Vm['disks'] = [];
const frozenDisks = [{ key: 1, fileName: disk.top, capacityBytes: 1024, parents: [disk.frozen] }];

function addVm(change: Partial<Vm> = {}): void {
  target.add({
    ...{ moref: 'vm-7', name: 'web01', powerState: 'suspended', vmPathName: `${HERE}/web01.vmx` },
    disks: frozenDisks,
    extraConfig: { [SESSION_KEY]: SESSION },
    ...change,
  });
}

function run<N extends keyof SiteActivities>(name: N, more: object = {}) {
  const deps = activityDeps({ gateway, targets: target.targets });
  const step = { ...input, crossing, ...more } as unknown as Parameters<SiteActivities[N]>[0];
  return runActivity(deps, name, step, { workflowId: SESSION, attempt: 3 });
}

const preflight = (request: Partial<FinalizeRequest> = {}) =>
  run('finalizePreflight', { request: { datastore: 'prod', vmotion: 'auto', ...request } });
const plainDisk = { key: 1, fileName: disk.base, capacityBytes: 1024, parents: [] };

function running(change: Partial<Vm> = {}): void {
  files.delete(disk.copy);
  addVm({ powerState: 'poweredOn', disks: [plainDisk], toolsRunningStatus: 'guestToolsRunning', ...change });
}

function onVsan(): void {
  target.production = [fakeDatastore('prod', { type: 'vsan' })];
}

it('goes cold to a vSAN, where a guest that runs is shut down only when that is asked for', async () => {
  running();
  onVsan();
  await expect(preflight()).rejects.toMatchObject({
    type: 'PreflightFailed',
    message: expect.stringMatching(/\(1\) .*of type vsan.* \(2\) What is left is --vmotion cold/) as string,
  });
  expect(await preflight({ vmotion: 'cold' })).toMatchObject({
    ...{ mode: 'cold', guestAway: 'shutDown', warnings: [] },
    crossing: { whileRunning: false },
  });
  addVm({ powerState: 'poweredOff', disks: [plainDisk] });
  expect(await preflight()).toMatchObject({ mode: 'cold', crossing: { whileRunning: false } });
});

it('finds a short outage on a host alone, and cold for a VM that is off', async () => {
  running();
  expect(await preflight()).toMatchObject({
    ...{ mode: 'shortOutage', guestAway: 'suspend', warnings: [] },
    crossing: { folder: { datastore: 'prod', folder: 'web01' }, whileRunning: true },
  });
  expect(await preflight({ guestAway: 'shutDown' })).toMatchObject({ guestAway: 'shutDown' });
  expect(await preflight({ vmotion: 'cold' })).toMatchObject({ mode: 'cold', guestAway: 'shutDown' });
  addVm({ powerState: 'poweredOff', disks: [plainDisk] });
  const cold = await preflight();
  expect(cold).toMatchObject({ mode: 'cold', crossing: { whileRunning: false } });
  expect(cold.guestAway).toBeUndefined();
});

it('says why a vCenter does not do it live, and does it with a short outage', async () => {
  running();
  target.isVirtualCenter = true;
  target.hosts = [{ ...fakeHost, capability: { vmotionSupported: false, storageVMotionSupported: false } }];
  const plan = await preflight();
  expect(plan).toMatchObject({ mode: 'shortOutage' });
  expect(plan.warnings.map(({ message }) => message).join()).toMatch(/^Not live: .*no Storage vMotion/);
});

it('says what the guest may change while it is copied, and leaves it where that is nothing', async () => {
  const GIB = 2 ** 30;
  running({ disks: [{ ...plainDisk, capacityBytes: 10 * GIB }] });
  gateway.reservedBytes = 15 * GIB;
  gateway.overlayBytes = 5 * GIB;
  expect((await preflight()).warnings).toEqual([]);
  gateway.overlayBytes = 6 * GIB;
  const { mode, warnings } = await preflight();
  expect([mode, warnings.map(({ code }) => code)]).toEqual(['shortOutage', ['LittleRoom']]);
  expect(warnings[0]?.message).toContain('The gateway has 9 GiB left of the 15 GiB');
  gateway.overlayBytes = 15 * GIB - 1;
  await expect(preflight()).rejects.toThrow(/left is --vmotion cold/);
  await expect(preflight({ vmotion: 'short-outage' })).rejects.toMatchObject({ type: 'StorageFull' });
});

it('says that a guest is shut down where there is no room for its memory', async () => {
  running();
  gateway.reservedBytes = 64 * 2 ** 20;
  gateway.availableBytes = 64 * 2 ** 20;
  expect((await preflight()).warnings).toEqual([]);
  gateway.availableBytes = 63 * 2 ** 20;
  expect((await preflight()).warnings.map(({ code }) => code)).toEqual(['NotSuspended']);
  expect((await preflight({ guestAway: 'shutDown' })).warnings).toEqual([]);
});

it('takes another folder where a VM of that name has one', async () => {
  running();
  target.add({ name: 'other', vmPathName: `${THERE}/web01.vmx` });
  files.set(`${THERE}/web01.vmx`, '');
  expect(await preflight()).toMatchObject({ crossing: { folder: { folder: 'web01_1' } } });
});

it.each<[string, Partial<Vm>, () => void, Partial<FinalizeRequest>, string]>([
  ['snapshots', { disks: frozenDisks }, () => undefined, { vmotion: 'short-outage' }, 'has snapshots'],
  ['no Tools', { toolsRunningStatus: '' }, () => undefined, { vmotion: 'cold' }, 'without VMware Tools'],
  [
    'a VM that is off',
    { powerState: 'poweredOff' },
    () => undefined,
    { vmotion: 'short-outage' },
    'powered off',
  ],
  ['a vSAN', {}, () => onVsan(), { vmotion: 'short-outage' }, 'disks of changes are of another kind'],
])('refuses for %s', async (_, change, arrange, request, words) => {
  running(change);
  arrange();
  await expect(preflight(request)).rejects.toThrow(words);
});

it('makes a folder its own once, and neither writes to nor removes another’s', async () => {
  files.delete(disk.copy);
  await run('claimProductionFolder');
  await run('claimProductionFolder');
  files.set(disk.copy, flat('12345678'));
  await run('removeProductionFolder', { tasks: [] });
  expect([...files.keys()].filter((path) => path.startsWith(THERE))).toEqual([]);
  await run('removeProductionFolder', { tasks: [] });
  files.set(`${THERE}/rundirect-other.finalize`, '');
  await expect(run('claimProductionFolder')).rejects.toMatchObject({ type: 'NameTaken' });
  await run('removeProductionFolder', { tasks: [] });
  expect(files.has(`${THERE}/rundirect-other.finalize`)).toBe(true);
});

it('withdraws a VM whose registration came late, and keeps the folder of one that runs', async () => {
  files.delete(disk.copy);
  await run('claimProductionFolder');
  const late = { moref: 'vm-9', name: 'web01', vmPathName: `${THERE}/web01.vmx`, disks: [] };
  target.add({ ...late, extraConfig: { [SESSION_KEY]: SESSION }, powerState: 'poweredOn' });
  await expect(run('removeProductionFolder', { tasks: [] })).rejects.toMatchObject({ type: 'NotOurs' });
  target.change('vm-9', { powerState: 'suspended' });
  await run('removeProductionFolder', { tasks: [] });
  expect(target.vms.has('vm-9')).toBe(false);
  expect([...files.keys()].filter((path) => path.startsWith(THERE))).toEqual([]);
});

it('takes the path that a folder has for good', async () => {
  files.delete(disk.copy);
  target.vsphere.makeDirectory = async (path) => path.replace('web01', '5f0c-01');
  const lasting = { datastore: 'prod', folder: '5f0c-01' };
  expect(await run('claimProductionFolder')).toEqual(lasting);
  expect(await run('claimProductionFolder')).toEqual(lasting);
  addVm({ powerState: 'poweredOff', disks: [plainDisk] });
  const cold = { ...crossing, whileRunning: false, folder: lasting };
  const disks = await run('freezeDisks', { crossing: cold });
  expect(disks.map(({ copy }) => copy)).toEqual(['[prod] 5f0c-01/web01.vmdk']);
  await run('stageVm', { crossing: cold, disks });
  expect(files.has('[prod] 5f0c-01/web01.vmx')).toBe(true);
});

describe('to two datastores', () => {
  const data = { ...plainDisk, key: 2, node: 'scsi0:1', fileName: `${HERE}/data.vmdk` };
  const disks = [{ ...plainDisk, node: 'scsi0:0' }, data];
  const request = { disks: [{ node: 'scsi0:1', datastore: 'fast' }] };
  const folder = {
    ...{ datastore: 'prod', folder: 'web01' },
    apart: [{ datastore: 'fast', folder: 'web01', disks: ['data.vmdk'] }],
  };
  beforeEach(() => {
    running({ disks });
    target.production = [fakeDatastore('prod'), fakeDatastore('fast')];
    files.set(data.fileName, flat('fffffffe'));
  });

  it('finds a folder on each, with a short outage as cold', async () => {
    for (const vmotion of ['short-outage', 'cold'] as const)
      expect((await preflight({ ...request, vmotion })).crossing?.folder).toEqual(folder);
    files.set('[fast] web01/other.vmx', '');
    target.add({ name: 'other', vmPathName: '[fast] web01/other.vmx' });
    expect((await preflight(request)).crossing?.folder).toEqual({
      ...folder,
      apart: [{ datastore: 'fast', folder: 'web01_1', disks: ['data.vmdk'] }],
    });
  });

  it('looks at each for files, room, and whether disks of changes can stand there', async () => {
    files.set('[fast] web01/lost.vmdk', '');
    await expect(preflight(request)).rejects.toThrow('There are files in [fast] web01');
    expect((await preflight({ ...request, overwrite: true })).crossing?.folder).toEqual(folder);
    files.delete('[fast] web01/lost.vmdk');
    target.production = [fakeDatastore('prod'), fakeDatastore('fast', { freeBytes: 1000 })];
    await expect(preflight(request)).rejects.toThrow('Datastore fast has');
    target.production = [fakeDatastore('prod'), fakeDatastore('fast', { type: 'vsan' })];
    await expect(preflight({ ...request, vmotion: 'short-outage' })).rejects.toThrow(
      'Datastore fast is of type',
    );
    expect(await preflight({ ...request, vmotion: 'cold' })).toMatchObject({
      mode: 'cold',
      crossing: { folder },
    });
  });

  it('copies each disk to its folder, and leads the .vmx there', async () => {
    addVm({ powerState: 'poweredOff', disks });
    const cold = { ...crossing, whileRunning: false, folder };
    const frozen = await run('freezeDisks', { crossing: cold });
    expect(frozen.map(({ copy }) => copy)).toEqual(['[prod] web01/web01.vmdk', '[fast] web01/data.vmdk']);
    files.set(
      `${HERE}/web01.vmx`,
      VMX.replace('-000001', '') + 'scsi0:1.present = "TRUE"\nscsi0:1.fileName = "data.vmdk"\n',
    );
    await run('stageVm', { crossing: cold, disks: frozen });
    const vmx = files.get(`${THERE}/web01.vmx`) ?? '';
    expect(vmx).toContain('scsi0:0.fileName = "web01.vmdk"');
    expect(vmx).toContain('scsi0:1.fileName = "/vmfs/volumes/fast/web01/data.vmdk"');
  });

  it('claims, hands over and removes the folder on each', async () => {
    const split = { crossing: { ...crossing, folder } };
    target.vsphere.makeDirectory = async (path) => path.replace('[fast] web01', '[fast] 5f0c-02');
    const lasting = { ...folder, apart: [{ ...folder.apart[0], folder: '5f0c-02' }] };
    expect(await run('claimProductionFolder', split)).toEqual(lasting);
    const owners = () => [...files.keys()].filter((path) => path.endsWith('.finalize'));
    expect(owners()).toHaveLength(2);
    files.set('[fast] web01/data.vmdk', '');
    await run('removeProductionFolder', { ...split, tasks: [] });
    expect([...files.keys()].filter((path) => !path.startsWith(HERE))).toEqual([]);
    await run('claimProductionFolder', split);
    await run('releaseProductionFolder', split);
    expect(owners()).toEqual([]);
  });
});

it('stages the VM as it is at rest, and says what it stands on', async () => {
  const { keep } = await run('stageVm', { disks: [disk] });
  expect([...keep].sort()).toEqual([
    'web01-000001-delta.vmdk',
    'web01-000001.vmdk',
    'web01-7.vmem',
    'web01-7.vmss',
  ]);
  const vmx = files.get(`${THERE}/web01.vmx`) ?? '';
  expect(vmx).toContain(`scsi0:0.fileName = "/vmfs/volumes/rundirect-main/${SESSION}/web01-000001.vmdk"`);
  expect(vmx).toContain(`checkpoint.vmState = "/vmfs/volumes/rundirect-main/${SESSION}/web01-7.vmss"`);
  expect(files.get(`${THERE}/web01.nvram`)).toBe('boot entries');
});

it.each<[string, Partial<Vm>, string]>([
  ['runs', { powerState: 'poweredOn' }, 'MigrationFailed'],
  [
    'has a snapshot more',
    { disks: [{ ...frozenDisks[0], parents: [`${HERE}/x.vmdk`, disk.frozen] } as Vm['disks'][number]] },
    'MigrationFailed',
  ],
  ['has another mark', { extraConfig: {} }, 'NotOurs'],
])('stages no VM that %s', async (_, change, type) => {
  addVm(change);
  await expect(run('stageVm', { disks: [disk] })).rejects.toMatchObject({ type });
});

it('fences before it unregisters, again without a look, and no VM that runs', async () => {
  addVm({ powerState: 'poweredOn' });
  await expect(run('fenceOldVm', { disks: [disk], keep: ['a'] })).rejects.toMatchObject({
    type: 'MigrationFailed',
  });
  expect(gateway.fences.size).toBe(0);
  addVm();
  await run('fenceOldVm', { disks: [disk], keep: ['a'] });
  await run('fenceOldVm', { disks: [disk], keep: ['a'] });
  expect([gateway.fences.get(SESSION), target.vms.size]).toEqual([['a'], 0]);
  expect(await run('returnOldVm')).toMatchObject({ name: 'web01', datastore: 'rundirect-main' });
  expect(gateway.fences.size).toBe(0);
});

it('brings a VM back to where people had moved it since its start, and under the name that they gave it', async () => {
  running({ name: 'shop', folder: 'group-v9', resourcePool: 'resgroup-9' });
  const { crossing: planned } = await preflight();
  const from = { name: 'shop', folder: 'group-v9', resourcePool: 'resgroup-9', host: 'host-1' };
  expect(planned).toMatchObject({ from, place: from });
  const specs: object[] = [];
  target.vsphere.registerVm = async (spec) => {
    specs.push(spec);
    return target.add({ name: spec.name, vmPathName: spec.path }).moref;
  };
  target.vms.clear();
  expect(await run('returnOldVm', { crossing: planned })).toMatchObject({ name: 'shop' });
  expect(specs).toMatchObject([{ name: 'shop', folder: 'group-v9', pool: 'resgroup-9', host: 'host-1' }]);
});

it('suspends no guest that somebody has taken to production by hand meanwhile', async () => {
  addVm({
    powerState: 'poweredOn',
    vmPathName: `${THERE}/web01.vmx`,
    disks: [{ ...plainDisk, fileName: disk.copy }],
  });
  const away = run('takeGuestAway', { how: 'suspend' });
  await expect(away).rejects.toMatchObject({ type: 'NotOurs', nonRetryable: true });
  expect(target.vms.get('vm-7')?.powerState).toBe('poweredOn');
});

it.each([
  ['poweredOn', 'MigrationFailed', true],
  ['poweredOff', 'ResourceInUse', false],
] as const)(
  'tells of a disk that is locked while its VM is %s: %s',
  async (powerState, type, nonRetryable) => {
    addVm({ powerState: 'poweredOff', disks: [plainDisk] });
    const cold = { ...crossing, whileRunning: false };
    const [frozen] = await run('freezeDisks', { crossing: cold });
    target.vsphere.deleteVirtualDisk = async () => undefined;
    target.vsphere.copyVirtualDisk = async () => {
      throw new VsphereError('ResourceInUse', 'it is locked');
    };
    target.change('vm-7', { powerState });
    const copying = run('copyFrozenDisk', { crossing: cold, disk: frozen, beforeBytes: 0, totalBytes: 1024 });
    await expect(copying).rejects.toMatchObject({ type, nonRetryable });
  },
);

it('takes no copy to production of a disk that was written to since', async () => {
  addVm({ powerState: 'poweredOff', disks: [plainDisk] });
  const cold = { ...crossing, whileRunning: false };
  const disks = await run('freezeDisks', { crossing: cold });
  expect(disks).toMatchObject([{ top: disk.base, frozen: disk.base, cid: 'fffffffe' }]);
  files.set(disk.base, flat('0dd0f00d'));
  const fencing = run('fenceOldVm', { crossing: cold, disks, keep: [] });
  await expect(fencing).rejects.toMatchObject({ type: 'MigrationFailed', nonRetryable: true });
  await expect(fencing).rejects.toThrow('Somebody ran the VM while its disks were copied');
  expect(gateway.fences.size).toBe(0);
  files.set(disk.base, flat('fffffffe'));
  await run('fenceOldVm', { crossing: cold, disks, keep: [] });
  expect(gateway.fences.size).toBe(1);
});

it('joins changes and copy, reads the VM back, and withdraws it with the descriptor as it was', async () => {
  disksOfNext = [{ key: 1, fileName: disk.top, capacityBytes: 1024, parents: [disk.copy] }];
  const there = await run('joinInProduction', { disks: [disk] });
  expect(await run('joinInProduction', { disks: [disk] })).toEqual(there);
  expect(files.get(disk.top)).toContain('parentCID=12345678');
  expect(files.get(disk.top)).toContain('parentFileNameHint="/vmfs/volumes/prod/web01/web01.vmdk"');
  expect(await run('sightInProduction')).toMatchObject({
    vm: { moref: there.moref },
    powerState: 'poweredOff',
  });
  await expect(run('returnOldVm')).rejects.toMatchObject({ type: 'VmMoved' });
  await run('withdrawFromProduction', { disks: [disk] });
  await run('withdrawFromProduction', { disks: [disk] });
  expect(files.get(disk.top)).toBe(DELTA);
  expect(await run('sightInProduction')).toEqual({ vm: undefined, powerState: undefined });
});

it('runs no VM whose disks stand on something else', async () => {
  disksOfNext = [{ key: 1, fileName: disk.top, capacityBytes: 1024, parents: [disk.frozen] }];
  await expect(run('joinInProduction', { disks: [disk] })).rejects.toMatchObject({ type: 'MigrationFailed' });
  expect(await run('sightInProduction')).toMatchObject({ vm: undefined });
});

it('seals the fence when the VM has run, and nothing leads back', async () => {
  disksOfNext = [{ key: 1, fileName: disk.top, capacityBytes: 1024, parents: [disk.copy] }];
  await run('fenceOldVm', { disks: [disk], keep: [] });
  const { moref } = await run('joinInProduction', { disks: [disk] });
  const { runsAtMs } = await run('runInProduction', { there: moref, powerOn: true });
  expect(Date.now() - runsAtMs).toBeLessThan(60_000);
  expect(gateway.sealed.has(SESSION)).toBe(true);
  await expect(run('withdrawFromProduction', { disks: [disk] })).rejects.toMatchObject({ type: 'VmMoved' });
  target.change(moref, { powerState: 'poweredOff' });
  await expect(run('withdrawFromProduction', { disks: [disk] })).rejects.toMatchObject({ type: 'VmMoved' });
});

const CHANGES = `[vmfs02] rundirect-${SESSION}`;
const apart: CrossingDisk = {
  ...disk,
  top: `${CHANGES}/web01-000001.vmdk`,
  parent: { cid: 'fffffffe', hint: `/vmfs/volumes/rundirect-main/${SESSION}/web01.vmdk` },
};

/** A session whose changes go to a production datastore: its one snapshot is that of its start. */
function redirected(change: Partial<Vm> = {}) {
  const snapshot = { moref: 's-1', name: `rundirect-${SESSION}-changes`, description: '', createTime: '' };
  const own = {
    ...snapshot,
    powerState: 'poweredOff',
    quiesced: false,
    isCurrent: true,
    children: [],
  } as const;
  files.delete(disk.top);
  files.set(apart.top, DELTA.replace('"web01.vmdk"', `"${apart.parent?.hint ?? ''}"`));
  const disks = [{ key: 1, fileName: apart.top, capacityBytes: 1024, parents: [disk.frozen] }];
  running({ disks, snapshots: [own], ...change });
  const placement = {
    ...fakePlacement,
    changes: { datastore: 'vmfs02', folder: `rundirect-${SESSION}` },
  };
  const asked = (request: Partial<FinalizeRequest> = {}) =>
    run('finalizePreflight', { placement, request: { datastore: 'prod', vmotion: 'auto', ...request } });
  return { own, placement, asked };
}

it('takes changes that lie apart for the snapshot of a short outage, and over no vCenter live', async () => {
  const { own, asked } = redirected();
  expect(await asked()).toMatchObject({
    ...{ mode: 'shortOutage', warnings: [] },
    crossing: { whileRunning: true, isFrozen: true },
  });
  target.isVirtualCenter = true;
  const plan = await asked();
  expect(plan).toMatchObject({ mode: 'shortOutage', crossing: { isFrozen: true } });
  expect(plan.warnings.map(({ message }) => message).join()).toMatch(/^Not live: .*apart from the disks/);
  await expect(asked({ vmotion: 'live' })).rejects.toMatchObject({ type: 'NotSupported' });
  const cold = await asked({ vmotion: 'cold' });
  expect(cold).toMatchObject({
    mode: 'cold',
    warnings: [],
    crossing: { whileRunning: false, isFrozen: true },
  });
  onVsan();
  await expect(asked({ vmotion: 'cold' })).rejects.toThrow('or start it with --changes gateway');
  target.isVirtualCenter = false;
  expect((await asked({ vmotion: 'cold' })).crossing).not.toHaveProperty('isFrozen');
  target.isVirtualCenter = true;
  target.production = [fakeDatastore('prod')];
  redirected({ snapshots: [{ ...own, children: [own] }] });
  for (const vmotion of ['short-outage', 'cold'] as const)
    await expect(asked({ vmotion })).rejects.toThrow('has snapshots');
});

it('makes no snapshot of what is frozen, and keeps nothing at the gateway but a state that is there', async () => {
  const { placement } = redirected();
  const frozen = { placement, crossing: { ...crossing, isFrozen: true } };
  expect(await run('freezeDisks', frozen)).toEqual([apart]);
  const off = { ...frozen, crossing: { ...frozen.crossing, whileRunning: false } };
  expect(await run('freezeDisks', off)).toEqual([apart]);
  redirected({ powerState: 'suspended' });
  files.set(disk.copy, flat('12345678'));
  const staged = await run('stageVm', { ...frozen, disks: [apart] });
  expect([...staged.keep].sort()).toEqual(['web01-7.vmem', 'web01-7.vmss']);
  for (const name of ['web01-7.vmss', 'web01-7.vmem']) files.delete(`${HERE}/${name}`);
  expect(await run('stageVm', { ...frozen, disks: [apart] })).toEqual({ keep: [] });
  expect(files.get(`${THERE}/web01.vmx`)).toContain(
    `checkpoint.vmState = "/vmfs/volumes/vmfs02/rundirect-${SESSION}/web01-7.vmss"`,
  );
});

it('copies a disk with layers as a whole when it is off, and stages it', async () => {
  const { placement } = redirected({ powerState: 'poweredOff' });
  files.set(`${HERE}/web01.vmx`, VMX.replace(/checkpoint.*\n/, ''));
  const cold = { placement, crossing: { ...crossing, whileRunning: false } };
  const disks = await run('freezeDisks', cold);
  expect(disks).toMatchObject([{ top: apart.top, frozen: apart.top, base: disk.base, parent: undefined }]);
  expect(await run('stageVm', { ...cold, disks })).toEqual({ keep: [] });
});

it('suspends no guest whose memory has no room, and shuts none down without Tools', async () => {
  addVm({ powerState: 'poweredOn' });
  gateway.availableBytes = 2 ** 20;
  await expect(run('takeGuestAway', { how: 'suspend' })).rejects.toMatchObject({
    type: 'NotSupported',
    nonRetryable: true,
  });
  await expect(run('takeGuestAway', { how: 'shutDown' })).rejects.toMatchObject({ type: 'NotSupported' });
  addVm({ powerState: 'suspended' });
  await run('takeGuestAway', { how: 'suspend' });
});

it.each(['bringGuestBack', 'powerOnVm'] as const)(
  'lets the disks be read again before a guest runs from them: %s',
  async (step) => {
    addVm({ powerState: 'poweredOff', disks: [plainDisk] });
    gateway.limits.set(SESSION, 0);
    let heldBack: boolean | undefined;
    target.vsphere.powerOnVm = async () => {
      heldBack = gateway.limits.has(SESSION);
    };
    await run(step);
    expect(heldBack).toBe(false);
    gateway.isDown = true;
    heldBack = undefined;
    await expect(run(step)).rejects.toMatchObject({ type: 'GatewayUnavailable' });
    expect(heldBack).toBeUndefined();
  },
);
