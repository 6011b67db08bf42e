// The folder of a session's changes and the disks in it, against a host in memory: whose the folder is, what each step
// leaves when it runs again, and that a VM whose changes would go elsewhere is told in words.
import { beforeEach, expect, it } from 'vitest';
import { changesFolder, type RunningVmInput, type SiteActivities } from '../../contract/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { FakeTarget } from '../../test/fake-target.ts';
import { fakePlacement } from '../../test/fake-world.ts';
import { runActivity } from '../../test/run-activity.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import type { Vm, Vsphere } from '../../vsphere/index.ts';

const SESSION = 'web01-x1';
const FOLDER = `[vmfs02] rundirect-${SESSION}`;
const BASE = `[rundirect-main] ${SESSION}/web01.vmdk`;
const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const input: RunningVmInput = {
  sessionId: SESSION,
  moref: 'vm-7',
  placement: { ...fakePlacement, changes: changesFolder('vmfs02', SESSION) },
  exported: { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: `${SESSION}/web01.vmx` },
  target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
};

let target: FakeTarget;
let snapshots: string[];
/** What the disks are after the snapshot. */
let children: Vm['disks'];

const disk = (fileName: string, parents: string[] = []) => ({ key: 1, fileName, capacityBytes: 1, parents });

beforeEach(() => {
  target = new FakeTarget();
  snapshots = [];
  children = [disk(`${FOLDER}/web01-000001.vmdk`, [BASE])];
  target.add({
    ...{ moref: 'vm-7', name: 'web01', vmPathName: `[rundirect-main] ${SESSION}/web01.vmx` },
    ...{ disks: [disk(BASE)], extraConfig: { [SESSION_KEY]: SESSION } },
  });
  const calls: Partial<Vsphere> = {
    makeDirectory: async (path) => {
      if (!target.files.has(path)) target.files.set(path, []);
      return path;
    },
    uploadFile: async (path) => {
      const [folder = '', name = ''] = path.split(/\/(?=[^/]+$)/);
      target.files.get(folder)?.push(name);
    },
    createSnapshot: async (moref, { name }) => {
      if (!snapshots.includes(name)) snapshots.push(name);
      target.change(moref, { disks: children });
      return 'snapshot-1';
    },
  };
  Object.assign(target.vsphere, calls);
});

function run<N extends keyof SiteActivities>(name: N, more: object = {}) {
  const deps = activityDeps({ targets: target.targets });
  const step = { ...input, ...more } as unknown as Parameters<SiteActivities[N]>[0];
  return runActivity(deps, name, step, { workflowId: SESSION });
}

it('makes the folder once, and removes it with all that is in it', async () => {
  await run('claimChangesFolder');
  await run('claimChangesFolder');
  expect(target.files.get(FOLDER)).toEqual([`rundirect-${SESSION}.changes`]);
  target.files.get(FOLDER)?.push('web01-000001.vmdk');
  await run('removeChangesFolder');
  await run('removeChangesFolder');
  expect(target.files.size).toBe(0);
});

it("neither writes to nor removes a folder that is somebody else's", async () => {
  target.files.set(FOLDER, ['notes.txt']);
  await expect(run('claimChangesFolder')).rejects.toMatchObject({ type: 'NameTaken' });
  await run('removeChangesFolder');
  expect(target.files.get(FOLDER)).toEqual(['notes.txt']);
  const other = { ...input.placement, changes: { datastore: 'vmfs02', folder: 'web01' } };
  await expect(run('removeChangesFolder', { placement: other })).rejects.toMatchObject({ type: 'NotOurs' });
});

it('removes no folder that a VM stands on', async () => {
  await run('claimChangesFolder');
  target.change('vm-7', { disks: children, powerState: 'poweredOn' });
  await expect(run('removeChangesFolder')).rejects.toMatchObject({ type: 'NotOurs', nonRetryable: true });
  expect(target.files.has(FOLDER)).toBe(true);
});

it('takes a VM out of the inventory whose registration came late, before the folder goes', async () => {
  await run('claimChangesFolder');
  target.change('vm-7', { disks: children });
  await run('removeChangesFolder');
  expect([target.vms.size, target.files.size]).toEqual([0, 0]);
});

it('redirects every disk by one snapshot, however often it is asked to', async () => {
  await run('redirectChanges');
  await run('redirectChanges');
  expect(snapshots).toEqual([`rundirect-${SESSION}-changes`]);
});

it.each([
  [
    'an independent disk',
    [disk(`${FOLDER}/web01-000001.vmdk`, [BASE]), disk(`[rundirect-main] ${SESSION}/log.vmdk`)],
  ],
  ['a host that does not heed workingDir', [disk(`[rundirect-main] ${SESSION}/web01-000001.vmdk`, [BASE])]],
])('says in words that %s would write to the gateway', async (_, disks) => {
  children = disks;
  const failed = run('redirectChanges');
  await expect(failed).rejects.toMatchObject({ type: 'NotSupported', nonRetryable: true });
  await expect(failed).rejects.toThrow(disks.at(-1)?.fileName ?? '');
});

it('does nothing where changes go to the gateway', async () => {
  const placement = fakePlacement;
  for (const step of ['claimChangesFolder', 'redirectChanges', 'removeChangesFolder'] as const)
    await run(step, { placement });
  expect([snapshots.length, target.files.size]).toEqual([0, 0]);
});
