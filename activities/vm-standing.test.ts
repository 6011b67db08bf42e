// Whose a VM is, and that no undoing step touches one that is not the session's.
import { ApplicationFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import type { RunningVmInput, SiteActivities, VmStanding } from '../contract/index.ts';
import { activityDeps } from '../test/activity-deps.ts';
import { FakeTarget, fakeDatastore } from '../test/fake-target.ts';
import { fakePlacement } from '../test/fake-world.ts';
import { runActivity } from '../test/run-activity.ts';
import { SESSION_KEY } from '../vm-folder/index.ts';
import type { Vm } from '../vsphere/index.ts';

const disk = (fileName: string, parents: string[] = []) => ({ key: 1, fileName, capacityBytes: 1, parents });
const ours: Partial<Vm> & Pick<Vm, 'name' | 'moref'> = {
  moref: 'vm-7',
  name: 'web01',
  powerState: 'poweredOn',
  vmPathName: '[rundirect-main] web01-x1/web01.vmx',
  disks: [disk('[rundirect-main] web01-x1/web01.vmdk')],
  extraConfig: { [SESSION_KEY]: 'web01-x1' },
};

const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const input: RunningVmInput = {
  sessionId: 'web01-x1',
  moref: 'vm-7',
  placement: fakePlacement,
  exported: { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: 'web01-x1/web01.vmx' },
  target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
};

function run<N extends keyof SiteActivities>(
  target: FakeTarget,
  name: N,
  moref: 'vm-7' | 'unknown' = 'vm-7',
  more: object = {},
) {
  const deps = activityDeps({ targets: target.targets });
  const step = { ...input, ...more, moref: moref === 'unknown' ? undefined : moref } as Parameters<
    SiteActivities[N]
  >[0];
  return runActivity(deps, name, step, { workflowId: 'web01-x1' });
}

const cases: [string, Partial<Vm>, VmStanding][] = [
  ['as registered', {}, 'ours'],
  [
    'after a snapshot',
    {
      disks: [disk('[rundirect-main] web01-x1/web01-000001.vmdk', ['[rundirect-main] web01-x1/web01.vmdk'])],
    },
    'ours',
  ],
  ['migrated', { vmPathName: '[prod] web01/web01.vmx', disks: [disk('[prod] web01/web01.vmdk')] }, 'moved'],
  [
    'half way to production',
    {
      vmPathName: '[prod] web01/web01.vmx',
      disks: [disk('[rundirect-main] web01-x1/web01-000001.vmdk', ['[prod] web01/web01.vmdk'])],
    },
    'crossing',
  ],
  [
    'half way to production, with one disk there',
    {
      vmPathName: '[prod] web01/web01.vmx',
      disks: [
        disk('[prod] web01/web01.vmdk'),
        disk('[rundirect-main] web01-x1/web01_1-000001.vmdk', ['[prod] web01/web01_1.vmdk']),
      ],
    },
    'crossing',
  ],
  [
    'half way there, without the mark',
    {
      vmPathName: '[prod] web01/web01.vmx',
      disks: [disk('[rundirect-main] web01-x1/web01-000001.vmdk', ['[prod] web01/web01.vmdk'])],
      extraConfig: {},
    },
    'partlyMoved',
  ],
  ['with one disk migrated', { disks: [disk('[prod] web01/web01.vmdk')] }, 'partlyMoved'],
  ['with its home migrated', { vmPathName: '[prod] web01/web01.vmx' }, 'partlyMoved'],
  [
    'with a snapshot that stands on ours',
    {
      vmPathName: '[prod] web01/web01.vmx',
      disks: [disk('[prod] web01/w-1.vmdk', ['[rundirect-main] web01-x1/web01.vmdk'])],
    },
    'partlyMoved',
  ],
  ["on another session's disk", { disks: [disk('[rundirect-main] web01-x10/web01.vmdk')] }, 'partlyMoved'],
  ['with another mark', { extraConfig: { [SESSION_KEY]: 'web01-x2' } }, 'partlyMoved'],
];

it.each(cases)('takes a VM %s (%j) for %s, and touches it accordingly', async (_, change, standing) => {
  const target = new FakeTarget();
  target.add({ ...ours, ...change });
  expect(await run(target, 'inspectVm')).toMatchObject({ standing });
  const off = run(target, 'powerOffVm');
  if (standing === 'ours') {
    await off;
    await run(target, 'unregisterVm');
    expect(target.vms.size).toBe(0);
  } else {
    const type = standing === 'moved' ? 'VmMoved' : 'NotOurs';
    await expect(off).rejects.toMatchObject({ type, nonRetryable: true });
    await expect(run(target, 'unregisterVm')).rejects.toBeInstanceOf(ApplicationFailure);
    expect(target.vms.get('vm-7')?.powerState).toBe('poweredOn');
  }
});

const changes = { datastore: 'vmfs02', folder: 'rundirect-web01-x1' };
const delta = '[vmfs02] rundirect-web01-x1/web01-000001.vmdk';
const base = '[rundirect-main] web01-x1/web01.vmdk';
const apart: [string, Partial<Vm>, VmStanding][] = [
  ['before its snapshot', {}, 'ours'],
  ['on its changes', { disks: [disk(delta, [base])] }, 'ours'],
  ['with its home among them', { vmPathName: '[vmfs02] rundirect-web01-x1/web01.vmx' }, 'partlyMoved'],
  [
    'half way to production',
    { vmPathName: '[prod] web01/web01.vmx', disks: [disk(delta, ['[prod] web01/web01.vmdk'])] },
    'crossing',
  ],
  [
    'with its changes left behind',
    { vmPathName: '[prod] web01/web01.vmx', disks: [disk('[prod] web01/w-1.vmdk', [delta])] },
    'partlyMoved',
  ],
  [
    "on another session's changes",
    { disks: [disk('[vmfs02] rundirect-web01-x10/d.vmdk', [base])] },
    'partlyMoved',
  ],
  [
    'migrated',
    { vmPathName: '[vmfs02] web01/web01.vmx', disks: [disk('[vmfs02] web01/web01.vmdk')] },
    'moved',
  ],
];

it.each(apart)('takes a VM whose changes lie apart, %s (%j), for %s', async (_, change, standing) => {
  const target = new FakeTarget();
  target.production.push(fakeDatastore('vmfs02'));
  target.add({ ...ours, ...change });
  const placement = { ...fakePlacement, changes };
  expect(await run(target, 'inspectVm', 'vm-7', { placement })).toMatchObject({ standing });
});

it.each<[string, string, VmStanding]>([
  ['there', '[fast] web01/data.vmdk', 'ours'],
  ['in another folder there', '[fast] web01_1/data.vmdk', 'partlyMoved'],
  ['on another datastore', '[slow] web01/data.vmdk', 'partlyMoved'],
])(
  'takes a restored VM that has a folder on another datastore, with a disk %s, for %s',
  async (_, file, standing) => {
    const target = new FakeTarget();
    const home = {
      vmPathName: '[prod] web01/web01.vmx',
      disks: [disk('[prod] web01/web01.vmdk'), disk(file)],
    };
    target.add({ ...ours, ...home });
    const placement = {
      ...fakePlacement,
      datastore: 'prod',
      apart: [{ datastore: 'fast', folder: 'web01' }],
    };
    const exported = { ...input.exported, vmxPath: 'web01/web01.vmx' };
    expect(await run(target, 'inspectVm', 'vm-7', { placement, exported })).toMatchObject({ standing });
  },
);

const share = { remoteHost: 'gw', remotePath: '/rundirect/lab-1' };
const under = (name: string): Partial<Vm> => ({
  vmPathName: `[${name}] web01-x1/web01.vmx`,
  disks: [disk(`[${name}] web01-x1/web01.vmdk`)],
});

it.each<[string, Partial<Vm>, string]>([
  ['whose datastore was renamed', under('backup'), 'Rename datastore backup to rundirect-main again'],
  [
    'whose datastore was renamed, with changes elsewhere',
    { ...under('backup'), disks: [disk(delta, ['[backup] web01-x1/web01.vmdk'])] },
    'Rename datastore backup to rundirect-main again',
  ],
  [
    'whose datastore its host has lost',
    { vmPathName: '[] /vmfs/volumes/1f2e/web01-x1/web01.vmx', disks: [disk('[] /vmfs/volumes/1f2e/w.vmdk')] },
    'See that the datastore is mounted',
  ],
  ['on a datastore that nobody sees', under('hidden'), 'See that the datastore is mounted'],
  ["on a datastore of another host's", under('theirs'), 'See that the datastore is mounted'],
])('takes a VM %s for none that has moved, and leaves it alone', async (_, change, wayOut) => {
  const target = new FakeTarget();
  target.mounts.set('backup', { name: 'backup', ...share });
  target.production.push(fakeDatastore('vmfs02'), fakeDatastore('theirs', { hosts: ['host-2'] }));
  target.add({ ...ours, ...change });
  const more = { placement: { ...fakePlacement, changes } };
  expect(await run(target, 'inspectVm', 'vm-7', more)).toMatchObject({
    standing: 'partlyMoved',
    wayOut: expect.stringContaining(wayOut) as string,
  });
  await expect(run(target, 'handOverVm', 'vm-7', more)).rejects.toMatchObject({ type: 'NotOurs' });
  await expect(run(target, 'powerOffVm', 'vm-7', more)).rejects.toThrow(wayOut);
  expect(target.vms.get('vm-7')).toMatchObject({ powerState: 'poweredOn', extraConfig: ours.extraConfig });
});

it('sees a VM that somebody registered anew while its datastore has another name', async () => {
  const target = new FakeTarget();
  target.mounts.set('backup', { name: 'backup', ...share });
  target.add({ ...ours, ...under('backup'), moref: 'vm-99' });
  const seen = await run(target, 'inspectVm');
  expect(seen).toMatchObject({ standing: 'partlyMoved', powerState: 'poweredOn' });
  expect(seen).toHaveProperty('detail', expect.stringContaining('vm-99'));
});

it('says that a VM is gone, and what is gone is undone', async () => {
  const target = new FakeTarget();
  expect(await run(target, 'inspectVm')).toMatchObject({ standing: 'gone' });
  await run(target, 'powerOffVm');
  await run(target, 'unregisterVm');
});

it('finds a VM that is half way to production under its new name in the inventory, and no clone of it', async () => {
  const target = new FakeTarget();
  const clone = { vmPathName: '[prod] clone/clone.vmx', disks: [disk('[prod] clone/clone.vmdk')] };
  target.add({ ...ours, ...clone, moref: 'vm-98', name: 'clone' });
  expect(await run(target, 'inspectVm')).toMatchObject({ standing: 'gone' });
  const disks = [disk('[rundirect-main] web01-x1/web01-000001.vmdk', ['[prod] web01/web01.vmdk'])];
  target.add({ ...ours, moref: 'vm-99', vmPathName: '[prod] web01/web01.vmx', disks });
  expect(await run(target, 'inspectVm')).toMatchObject({ standing: 'crossing', powerState: 'poweredOn' });
});

it('hears and answers what the host asks about a VM that is half way to production', async () => {
  const target = new FakeTarget();
  const disks = [disk('[rundirect-main] web01-x1/web01-000001.vmdk', ['[prod] web01/web01.vmdk'])];
  target.add({ ...ours, moref: 'vm-99', vmPathName: '[prod] web01/web01.vmx', disks });
  const watch = (known: object) => run(target, 'watchVm', 'vm-7', { known });
  const first = await watch({ standing: 'ours', powerState: 'poweredOn' });
  expect(first).toMatchObject({ standing: 'crossing', powerState: 'poweredOn', question: undefined });
  const asked = watch(first);
  const choices = [{ key: '0', label: 'button.retry', summary: '_Retry' }];
  const question = { id: 'q1', text: 'no space', messageIds: [], choices, defaultChoice: undefined };
  target.change('vm-99', { question });
  expect(await asked).toMatchObject({ standing: 'crossing', question: { id: 'q1', text: 'no space' } });
  await run(target, 'answerQuestion', 'vm-7', { questionId: 'q1', choiceKey: '0' });
  expect(target.answers).toEqual(['vm-99 q1: 0']);
});

it('leaves a VM alone that somebody registered anew', async () => {
  const target = new FakeTarget();
  target.add({ ...ours, moref: 'vm-99' });
  const seen = await run(target, 'inspectVm');
  expect(seen).toMatchObject({ standing: 'partlyMoved' });
  expect(seen).toHaveProperty('detail', expect.stringContaining('vm-99'));
});

it('finds by its path what a start registered whose answer was lost, even with strange disks', async () => {
  const target = new FakeTarget();
  target.mounts.set('rundirect-main', {
    name: 'rundirect-main',
    remoteHost: 'gw',
    remotePath: '/rundirect/lab-1',
  });
  target.add({ ...ours, powerState: 'poweredOff', disks: [disk('[prod] other/other.vmdk')] });
  await run(target, 'unregisterVm', 'unknown');
  expect(target.vms.size).toBe(0);
});

it('takes a VM out again that came back with a disk of somebody else', async () => {
  const target = new FakeTarget();
  target.disksOfNext = ['[prod] web01/web01.vmdk'];
  const registered = run(target, 'registerVm');
  await expect(registered).rejects.toMatchObject({ type: 'NotOurs' });
  await expect(registered).rejects.toThrow('[prod] web01/web01.vmdk');
  expect(target.vms.size).toBe(0);
});

it('powers on only what is ours', async () => {
  const target = new FakeTarget();
  target.add({ ...ours, powerState: 'poweredOff', disks: [disk('[prod] web01/web01.vmdk')] });
  await expect(run(target, 'powerOnVm')).rejects.toMatchObject({ type: 'NotOurs' });
  expect(target.vms.get('vm-7')?.powerState).toBe('poweredOff');
});
