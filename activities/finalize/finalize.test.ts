// The steps of a finalize against a vCenter in memory: what preflight says, that a migration is gone on with by
// the next worker and ended on demand, and that marks come off what has left and off nothing else.
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, it } from 'vitest';
import type {
  FinalizePlan,
  FinalizeRequest,
  MigrateVmInput,
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
import { createActivities } from '../index.ts';
import { migrationProgress } from './migration-progress.ts';

const SESSION = 'web01-x1';
const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const input: RunningVmInput = {
  sessionId: SESSION,
  moref: 'vm-7',
  placement: fakePlacement,
  exported: { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: `${SESSION}/web01.vmx` },
  target: { host: 'vc', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
};
const plan: FinalizePlan = {
  mode: 'live',
  datastore: { moref: 'ds-prod', name: 'prod' },
  ...{ host: undefined, folder: undefined, resourcePool: undefined },
  totalBytes: 1024,
  warnings: [],
};
const NOTE = `[Run Direct session ${SESSION}: this VM runs from its backup]`;

function vCenter(change: Partial<Vm> = {}): FakeTarget {
  const target = new FakeTarget();
  target.isVirtualCenter = true;
  target.mounts.set('rundirect-main', {
    name: 'rundirect-main',
    remoteHost: 'gw',
    remotePath: '/rundirect/lab-1',
  });
  target.add({
    ...{ moref: 'vm-7', name: 'web01', powerState: 'poweredOn' },
    vmPathName: `[rundirect-main] ${SESSION}/web01.vmx`,
    disks: [{ key: 1, fileName: `[rundirect-main] ${SESSION}/web01.vmdk`, capacityBytes: 1024, parents: [] }],
    extraConfig: { [SESSION_KEY]: SESSION, 'uuid.action': 'keep', 'guestinfo.own': 'stays' },
    annotation: `Bob's\n${NOTE}`,
    ...change,
  });
  return target;
}

function run<N extends keyof SiteActivities>(target: FakeTarget, name: N, more: object = {}, attempt = 1) {
  const step = { ...input, ...more } as unknown as Parameters<SiteActivities[N]>[0];
  return runActivity(activityDeps({ targets: target.targets }), name, step, { workflowId: SESSION, attempt });
}

const preflight = (target: FakeTarget, request: Partial<FinalizeRequest> = {}) =>
  run(target, 'finalizePreflight', { request: { datastore: 'prod', vmotion: 'auto', ...request } }, 3);

it('finds the way: live for a VM that runs, cold for one that is off', async () => {
  expect(await preflight(vCenter())).toEqual({ ...plan, fallbacks: ['short-outage'] });
  expect(await preflight(vCenter(), { vmotion: 'live' })).toEqual(plan);
  expect(await preflight(vCenter({ powerState: 'poweredOff' }))).toMatchObject({ mode: 'cold' });
});

it('goes to another host in another cluster with the pool that it finds there', async () => {
  const target = vCenter();
  const computeResource = { moref: 'cr-2', name: 'esx02', isCluster: false, resourcePool: 'pool-2' };
  target.hosts = [fakeHost, { ...fakeHost, moref: 'host-2', name: 'esx02', computeResource }];
  target.production = [fakeDatastore('prod', { hosts: ['host-1', 'host-2'] })];
  expect(await preflight(target, { host: 'esx02' })).toMatchObject({
    ...{ host: { moref: 'host-2', name: 'esx02' }, resourcePool: 'pool-2', folder: undefined },
  });
});

const fakeQuestion = {
  id: 'q-1',
  text: 'msg.hbacommon.outofspace:no more space',
  choices: [
    { key: '0', label: 'Retry', summary: 'Retry' },
    { key: '1', label: 'Cancel', summary: 'Cancel' },
  ],
  messageIds: [],
  defaultChoice: undefined,
};
const unable = { ...fakeHost, capability: { vmotionSupported: false, storageVMotionSupported: false } };

it.each<[string, string, (target: FakeTarget) => void, Partial<FinalizeRequest>]>([
  ['NotSupported', 'a host alone', (target) => (target.isVirtualCenter = false), { vmotion: 'live' }],
  ['NotSupported', 'no Storage vMotion', (target) => (target.hosts = [unable]), { vmotion: 'live' }],
  ['NotFound', 'no datastore nowhere; host esx01 has', () => undefined, { datastore: 'nowhere' }],
  ['NotFound', 'no host elsewhere', () => undefined, { host: 'elsewhere' }],
  ['InvalidInput', "the gateway's own", () => undefined, { datastore: 'rundirect-main' }],
  ['NotSupported', 'its guest reads the disks', () => undefined, { throttle: 2 ** 20 }],
  ['NotSupported', '--vmotion cold', () => undefined, { throttle: 2 ** 20, vmotion: 'live' }],
  [
    'PreflightFailed',
    'no more space (Retry / Cancel) Answer it with: rundirect answer',
    (target) => target.change('vm-7', { question: fakeQuestion }),
    {},
  ],
  ['VmMoved', 'somebody moved', (target) => target.change('vm-7', { extraConfig: {} }), {}],
  ['NotFound', 'not in the target', (target) => target.vms.clear(), {}],
  [
    'StorageFull',
    'Make room',
    (target) => (target.production = [fakeDatastore('prod', { freeBytes: 1024 })]),
    {},
  ],
  [
    'NotFound',
    'does not have datastore prod mounted',
    (target) => (target.production = [fakeDatastore('prod', { hosts: ['host-9'] })]),
    {},
  ],
])('refuses with %s: %s', async (type, words, change, request) => {
  const target = vCenter();
  change(target);
  const refused = preflight(target, request);
  await expect(refused).rejects.toMatchObject({ type, nonRetryable: true });
  await expect(refused).rejects.toThrow(words);
});

it('takes a rate for a VM that is off while its disks are copied', async () => {
  const target = vCenter({ powerState: 'poweredOff' });
  expect(await preflight(target, { throttle: 2 ** 20 })).toMatchObject({ mode: 'cold' });
});

it('gathers all that it finds, the words of the target among them', async () => {
  const target = vCenter({ powerState: 'poweredOff' });
  target.production = [fakeDatastore('prod', { freeBytes: 0, accessible: false })];
  target.relocateCheck = {
    errors: [{ fault: 'NotEnoughLicenses', text: 'there are not enough licenses' }],
    warnings: [],
  };
  const refused = preflight(target, { vmotion: 'live' });
  await expect(refused).rejects.toMatchObject({ type: 'PreflightFailed' });
  for (const words of ['powered off', 'not accessible', 'Make room', 'not enough licenses']) {
    await expect(refused).rejects.toThrow(words);
  }
});

it('hands on what the target warns of', async () => {
  const target = vCenter();
  target.relocateCheck = { errors: [], warnings: [{ fault: 'DisallowedX', text: 'mind the gap' }] };
  const { warnings } = await preflight(target);
  expect(warnings).toMatchObject([{ severity: 'warning', code: 'DisallowedX' }]);
});

it('has the target migrate, and reads every file back', async () => {
  const target = vCenter();
  const migrating = run(target, 'migrateVm', { plan });
  (await eventually('the migration', () => target.migration)).end('done');
  await migrating;
  expect(target.vms.get('vm-7')).toMatchObject({
    vmPathName: '[prod] web01/web01.vmx',
    powerState: 'poweredOn',
  });
  // Again, as after an answer that was lost: it is there.
  await run(target, 'migrateVm', { plan });
});

it('is told when it is cancelled or gives up: for good, by its own name', async () => {
  const cases: ['cancelled' | VsphereError, string][] = [
    ['cancelled', 'FinalizeCancelled'],
    [new VsphereError('StorageFull', 'no space on prod'), 'StorageFull'],
    [new VsphereError('Unexpected', 'who knows'), 'MigrationFailed'],
  ];
  for (const [how, type] of cases) {
    const target = vCenter();
    const migrating = run(target, 'migrateVm', { plan });
    migrating.catch(() => undefined);
    (await eventually('the migration', () => target.migration)).end(how);
    await expect(migrating).rejects.toMatchObject({ type, nonRetryable: true });
  }
});

it('waits for a target that is away', async () => {
  const target = vCenter();
  const migrating = run(target, 'migrateVm', { plan });
  migrating.catch(() => undefined);
  const away = new VsphereError('TargetUnavailable', 'vc:443 does not answer');
  (await eventually('the migration', () => target.migration)).end(away);
  await expect(migrating).rejects.toMatchObject({ type: 'TargetUnavailable', nonRetryable: false });
});

it('leaves the target at work when its worker ends, and the next one goes on with it', async () => {
  const target = vCenter();
  const environment = new MockActivityEnvironment(
    { workflowExecution: { workflowId: SESSION, runId: 'r' } },
    { logger: new DefaultLogger('ERROR') },
  );
  const activities = createActivities(activityDeps({ targets: target.targets }));
  const first = environment.run((step: MigrateVmInput) => activities.migrateVm(step), { ...input, plan });
  first.catch(() => undefined);
  const begun = await eventually('the migration', () => target.migration);
  environment.cancel('WORKER_SHUTDOWN');
  await expect(first).rejects.toThrow();
  expect(target.migration).toBe(begun);
  const second = run(target, 'migrateVm', { plan });
  begun.end('done');
  await second;
  expect(target.vms.get('vm-7')?.vmPathName).toBe('[prod] web01/web01.vmx');
});

it('migrates no VM without the mark', async () => {
  const target = vCenter({ extraConfig: { [SESSION_KEY]: 'web01-x2' } });
  await expect(run(target, 'migrateVm', { plan })).rejects.toMatchObject({ type: 'NotOurs' });
  expect(target.migration).toBeUndefined();
});

it('ends a migration that runs, and says where the VM is', async () => {
  const target = vCenter();
  const migrating = run(target, 'migrateVm', { plan });
  migrating.catch(() => undefined);
  await eventually('the migration', () => target.migration);
  expect(await run(target, 'endMigration', { plan })).toMatchObject({ standing: 'ours' });
  expect(target.migration).toBeUndefined();
  // None that runs is done; one that has arrived is said to have.
  expect(await run(target, 'endMigration', { plan })).toMatchObject({ standing: 'ours' });
  target.change('vm-7', { vmPathName: '[prod] web01/web01.vmx', disks: [] });
  expect(await run(target, 'endMigration', { plan })).toMatchObject({ standing: 'moved' });
});

it('takes the marks off a VM that has left, and nothing else', async () => {
  const target = vCenter({ vmPathName: '[prod] web01/web01.vmx', disks: [] });
  expect(await run(target, 'handOverVm')).toEqual({ location: '[prod] web01/web01.vmx' });
  expect(target.vms.get('vm-7')).toMatchObject({
    ...{ annotation: "Bob's", extraConfig: { 'guestinfo.own': 'stays' }, powerState: 'poweredOn' },
  });
  target.arriving.set('reconfigureVm', () => {
    throw new Error('a VM without marks needs no change');
  });
  expect(await run(target, 'handOverVm')).toEqual({ location: '[prod] web01/web01.vmx' });
  target.vms.clear();
  expect(await run(target, 'handOverVm')).toEqual({ location: undefined });
});

it('takes them off no VM that still has a file here', async () => {
  const target = vCenter({ vmPathName: '[prod] web01/web01.vmx' });
  await expect(run(target, 'handOverVm')).rejects.toMatchObject({ type: 'NotOurs' });
  expect(target.vms.get('vm-7')?.extraConfig).toHaveProperty([SESSION_KEY]);
});

it('reckons rate and time left from how the percentage grows', () => {
  let now = 0;
  const progress = migrationProgress(1_000_000, () => now);
  expect(progress(40)).toEqual({ percent: 40, bytesPerSecond: undefined, leftMs: undefined });
  now = 10_000;
  expect(progress(60)).toEqual({ percent: 60, bytesPerSecond: 20_000, leftMs: 20_000 });
});

it('reckons them from the last minute, so that they follow a copy that is held back', () => {
  let now = 0;
  const progress = migrationProgress(1_000_000, () => now);
  for (const percent of [0, 10, 20, 30]) {
    progress(percent);
    now += 1_000;
  }
  // From 100 kB/s to a tenth of that.
  for (const percent of [31, 32, 33, 34, 35, 36]) {
    now += 20_000;
    progress(percent);
  }
  expect(progress(36)).toEqual({ percent: 36, bytesPerSecond: 500, leftMs: 1_280_000 });
});
