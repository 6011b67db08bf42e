// Whose the folder of a restored VM is: nobody's files are written over or removed, whatever comes in between; and
// what stands at the place in production is found before.
import { expect, it } from 'vitest';
import type { RemoveRestoreInput, RestoreStepInput, SiteActivities } from '../../contract/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { fakeDatastore, fakeHost } from '../../test/fake-target.ts';
import { fakePlacement } from '../../test/fake-world.ts';
import { runActivity } from '../../test/run-activity.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import type { Datastore, Inventory, VmSummary, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../index.ts';
import { findings } from '../preflight/findings.ts';
import { folderNameOf, lookAtProduction, type Wanted } from './production-look.ts';

const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const stepOf = (sessionId: string): RestoreStepInput => ({
  sessionId,
  target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
  placement: fakePlacement,
  exported: { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: `${sessionId}/web01.vmx` },
  production: { datastore: 'prod', folder: 'web01' },
});
const ONE = stepOf('one');
const OTHER = stepOf('other');
const FOLDER = '[prod] web01';
const FAST = '[fast] web01';

/** A datastore: folders, with the files in them. */
class Disk {
  readonly folders = new Set<string>();
  readonly files = new Set<string>();
  /** VMs by their morefs: the .vmx of each, and whose mark it has. */
  readonly vms = new Map<string, { vmx: string; mark?: string }>();
  /** Files that somebody has open: a folder's deletion comes no further than to them. */
  isLocked: (file: string) => boolean = () => false;
  /** Called when a file is written. */
  onWrite: (() => Promise<void>) | undefined;
  #callsLeft = Number.POSITIVE_INFINITY;

  /** From that call on the worker is dead: the call is performed, and nobody hears of it. */
  failAt(call: number | undefined): void {
    this.#callsLeft = call ?? Number.POSITIVE_INFINITY;
  }

  #performed(): void {
    this.#callsLeft -= 1;
    if (this.#callsLeft <= 0) throw new Error('the worker is dead');
  }

  readonly vsphere = {
    listFolder: async (path: string) => {
      if (!this.folders.has(path)) return undefined;
      const inside = [...this.files].filter((file) => file.startsWith(`${path}/`));
      return inside.map((file) => ({ path: file, isFolder: false, sizeBytes: 1, modified: undefined }));
    },
    makeDirectory: async (path: string) => {
      this.folders.add(path);
      this.#performed();
      return path;
    },
    uploadFile: async (path: string) => {
      const { onWrite } = this;
      this.onWrite = undefined;
      this.files.add(path);
      await onWrite?.();
      this.#performed();
    },
    deleteDatastoreFile: async (path: string) => {
      for (const file of [...this.files]) {
        if (file !== path && !file.startsWith(`${path}/`)) continue;
        if (this.isLocked(file)) throw new Error(`${file} is locked`);
        this.files.delete(file);
      }
      this.folders.delete(path);
      this.#performed();
    },
    lastingPath: async (path: string) => path,
    findVmByPath: async (path: string) => this.#vms().find(({ vmPathName }) => vmPathName === path),
    unregisterVm: async (moref: string) => void this.vms.delete(moref),
    listVms: () => this.#list(),
  } as Partial<Vsphere> as Vsphere;

  #vms(): VmSummary[] {
    return [...this.vms].map(
      ([moref, { vmx, mark }]): VmSummary => ({
        ...{
          moref,
          name: moref,
          powerState: 'poweredOff',
          host: 'host-1',
          folder: undefined,
          vmPathName: vmx,
        },
        ...{ uuid: '', instanceUuid: '', macs: [], diskFiles: [], workingFolder: '' },
        ...{ extraConfig: mark === undefined ? {} : { [SESSION_KEY]: mark } },
      }),
    );
  }

  async *#list(): AsyncGenerator<VmSummary> {
    yield* this.#vms();
  }

  run<N extends keyof SiteActivities>(name: N, input: RestoreStepInput | RemoveRestoreInput) {
    const targets: ActivityDeps['targets'] = {
      use: async (_login, _signal, work) => work(this.vsphere),
      readFingerprint: () => Promise.reject(new Error('not used here')),
    };
    const deps = activityDeps({ targets });
    const step = input as unknown as Parameters<SiteActivities[N]>[0];
    return runActivity(deps, name, step, { workflowId: input.sessionId });
  }

  add(...names: readonly string[]): void {
    this.folders.add(FOLDER);
    for (const name of names) this.files.add(`${FOLDER}/${name}`);
  }
}

const remove = (disk: Disk, of: RestoreStepInput) => disk.run('removeRestore', { ...of, task: undefined });

it('makes a folder its own, as often as it is tried, and removes it with what it holds', async () => {
  for (const disk of [new Disk(), new Disk()]) {
    disk.add();
    await disk.run('claimRestoreFolder', ONE);
    expect(await disk.run('claimRestoreFolder', ONE)).toEqual(ONE.production);
    disk.add('web01.vmdk', 'web01-flat.vmdk');
    await remove(disk, ONE);
    await remove(disk, ONE);
    expect([...disk.folders, ...disk.files]).toEqual([]);
  }
});

it('knows its folder again where the target has deleted it in part, and refused the rest', async () => {
  const disk = new Disk();
  await disk.run('claimRestoreFolder', ONE);
  disk.add('web01.vmdk', 'web01-flat.vmdk');
  disk.isLocked = (file) => file.endsWith('-flat.vmdk');
  await expect(remove(disk, ONE)).rejects.toThrow('is locked');
  disk.isLocked = () => false;
  await remove(disk, ONE);
  expect([...disk.folders, ...disk.files]).toEqual([]);
});

it('takes no folder that has files in it, and leaves them alone', async () => {
  const disk = new Disk();
  disk.add('web01.vmx');
  await expect(disk.run('claimRestoreFolder', ONE)).rejects.toMatchObject({ type: 'NameTaken' });
  await remove(disk, ONE);
  expect([...disk.files]).toEqual([`${FOLDER}/web01.vmx`]);
});

it('leaves the folder to the other one, where two want it at the same moment', async () => {
  const disk = new Disk();
  disk.onWrite = () =>
    disk.run('claimRestoreFolder', OTHER).then(
      () => undefined,
      () => undefined,
    );
  const first = disk.run('claimRestoreFolder', ONE);
  await first.catch(() => undefined);
  const owners = [...disk.files];
  expect(owners.length).toBeLessThanOrEqual(1);
  await remove(disk, OTHER);
  if (owners[0]?.includes('rundirect-one') === true) expect(disk.folders.has(FOLDER)).toBe(true);
});

it('gives up where somebody writes his name beside ours, and takes back only its own', async () => {
  const disk = new Disk();
  disk.onWrite = async () => void disk.files.add(`${FOLDER}/rundirect-other.restore`);
  await expect(disk.run('claimRestoreFolder', ONE)).rejects.toMatchObject({ type: 'NameTaken' });
  await remove(disk, ONE);
  expect([...disk.files]).toEqual([`${FOLDER}/rundirect-other.restore`]);
});

it('gives up where a finalize has claimed the folder in the same moment, and leaves it alone', async () => {
  const disk = new Disk();
  disk.onWrite = async () => disk.add('rundirect-other.finalize', 'web01.vmdk');
  await expect(disk.run('claimRestoreFolder', ONE)).rejects.toMatchObject({ type: 'NameTaken' });
  await remove(disk, ONE);
  expect([...disk.files]).toEqual([`${FOLDER}/rundirect-other.finalize`, `${FOLDER}/web01.vmdk`]);
});

it('takes its own VM out of the inventory before the folder goes, and keeps a folder that another VM is in', async () => {
  const disk = new Disk();
  await disk.run('claimRestoreFolder', ONE);
  disk.vms.set('vm-7', { vmx: `${FOLDER}/web01.vmx`, mark: 'one' });
  disk.vms.set('vm-8', { vmx: `${FOLDER}/other.vmx` });
  await expect(remove(disk, ONE)).rejects.toMatchObject({ type: 'NotOurs' });
  expect([...disk.vms.keys()]).toEqual(['vm-8']);
  expect(disk.files.size).toBe(1);
  disk.vms.clear();
  await remove(disk, ONE);
  expect(disk.files.size).toBe(0);
});

it('hands the folder over without a trace, and can remove it no more', async () => {
  const disk = new Disk();
  await disk.run('claimRestoreFolder', ONE);
  disk.add('web01.vmx');
  await disk.run('releaseRestoreFolder', ONE);
  await disk.run('releaseRestoreFolder', ONE);
  await remove(disk, ONE);
  expect([...disk.files]).toEqual([`${FOLDER}/web01.vmx`]);
});

const SPLIT: RestoreStepInput = {
  ...ONE,
  production: { ...ONE.production, apart: [{ datastore: 'fast', folder: 'web01', disks: ['data.vmdk'] }] },
};

it('claims a folder on each datastore that takes disks, and removes or releases all', async () => {
  const disk = new Disk();
  expect(await disk.run('claimRestoreFolder', SPLIT)).toEqual(SPLIT.production);
  expect([...disk.files]).toEqual([`${FOLDER}/rundirect-one.restore`, `${FAST}/rundirect-one.restore`]);
  disk.files.add(`${FAST}/data.vmdk`);
  await remove(disk, SPLIT);
  expect([...disk.folders, ...disk.files]).toEqual([]);
  await disk.run('claimRestoreFolder', SPLIT);
  await disk.run('releaseRestoreFolder', SPLIT);
  await remove(disk, { ...SPLIT });
  expect([...disk.files]).toEqual([]);
});

it('leaves none of its folders where one is somebody else’s, and that one as it was', async () => {
  const disk = new Disk();
  disk.folders.add(FAST);
  disk.files.add(`${FAST}/rundirect-other.restore`);
  await expect(disk.run('claimRestoreFolder', SPLIT)).rejects.toMatchObject({ type: 'NameTaken' });
  await remove(disk, SPLIT);
  expect([...disk.folders, ...disk.files]).toEqual([FAST, `${FAST}/rundirect-other.restore`]);
});

it('leaves nothing, or all, wherever its worker dies', async () => {
  const steps = ['claimRestoreFolder', 'removeRestore', 'releaseRestoreFolder'] as const;
  for (const dies of steps) {
    for (let call = 1; ; call += 1) {
      const disk = new Disk();
      if (dies !== 'claimRestoreFolder') await disk.run('claimRestoreFolder', SPLIT);
      disk.failAt(call);
      const isOver = await disk.run(dies, SPLIT).then(
        () => true,
        () => false,
      );
      disk.failAt(undefined);
      await disk.run(dies, SPLIT);
      const owners = dies === 'claimRestoreFolder' ? 2 : 0;
      expect([dies, call, disk.files.size]).toEqual([dies, call, owners]);
      expect(disk.folders.size).toBe(dies === 'removeRestore' ? 0 : 2);
      await remove(disk, SPLIT);
      expect([...disk.files]).toEqual([]);
      if (isOver) break;
    }
  }
});

const NODES = [
  { node: 'scsi0:0', file: 'web01.vmdk', sizeBytes: 1000 },
  { node: 'scsi0:1', file: 'data.vmdk', sizeBytes: 24 },
];

const look = async (datastore: Partial<Datastore>, disk = new Disk(), wanted: Partial<Wanted> = {}) => {
  const found = findings(false);
  const inventory: Inventory = {
    ...{ hosts: [fakeHost], folders: [], resourcePools: [] },
    datastores: [fakeDatastore('prod', datastore), fakeDatastore('fast', { freeBytes: 100 })],
  };
  const neededFor = { vmName: 'web01', provisionedBytes: 1024, nodes: NODES };
  const gateway = { datastore: 'rundirect-main', remoteHost: 'gw' };
  const asked = { datastore: 'prod', neededFor, gateway, ...wanted };
  const step = { signal: new AbortController().signal } as Parameters<typeof lookAtProduction>[4];
  const place = await lookAtProduction(disk.vsphere, inventory, fakeHost, asked, step, found);
  return { place, found: found.all };
};

it('finds the place in production', async () => {
  expect(await look({})).toEqual({ place: { datastore: 'prod', folder: 'web01' }, found: [] });
});

it.each<[string, string, Partial<Datastore>, string?]>([
  ['NotFound', 'has no datastore nowhere; host esx01 has prod, fast', {}, 'nowhere'],
  ['NotFound', 'does not have datastore prod mounted', { hosts: ['host-9'] }],
  ['InvalidInput', "the gateway's own", { nas: { remoteHost: 'gw', remotePath: '/x' } }],
  ['DatastoreUnusable', 'in maintenance mode', { inMaintenanceMode: true }],
  ['DatastoreUnusable', 'not accessible', { accessible: false }],
  ['StorageFull', 'Make room', { freeBytes: 1024 }],
])('refuses with %s: %s', async (code, words, datastore, wanted) => {
  const { found } = await look(datastore, new Disk(), wanted === undefined ? {} : { datastore: wanted });
  expect(found).toMatchObject([{ severity: 'error', code }]);
  expect(found[0]?.message).toContain(words);
});

it('finds a place for each disk, and looks for room and a free folder on each datastore', async () => {
  const apart = [{ node: 'scsi0:1', datastore: 'fast' }];
  const disks = [...apart, { node: 'scsi0:0', datastore: 'prod' }];
  expect(await look({ freeBytes: 1100 }, new Disk(), { disks })).toEqual({
    place: {
      ...{ datastore: 'prod', folder: 'web01' },
      apart: [{ datastore: 'fast', folder: 'web01', disks: ['data.vmdk'] }],
    },
    found: [],
  });
  const disk = new Disk();
  disk.folders.add(FAST);
  disk.files.add(`${FAST}/x`);
  const { found } = await look({}, disk, { disks: apart });
  expect(found.map(({ message }) => message).join()).toMatch(/^Folder \[fast\] web01 is there already/);
});

it.each<[string, string, Wanted['disks']]>([
  ['NotFound', 'no disk scsi1:0; it has scsi0:0, scsi0:1', [{ node: 'scsi1:0', datastore: 'fast' }]],
  ['NotFound', 'no datastore nowhere', [{ node: 'scsi0:0', datastore: 'nowhere' }]],
  ['StorageFull', 'Datastore fast has 100 B free', [{ node: 'scsi0:0', datastore: 'fast' }]],
])('refuses a disk with %s: %s', async (code, words, disks) => {
  const { found } = await look({}, new Disk(), { disks });
  expect(found).toMatchObject([{ severity: 'error', code }]);
  expect(found[0]?.message).toContain(words);
});

it('names what is in the way, beside other findings', async () => {
  const disk = new Disk();
  disk.add('1', '2', '3', '4', '5', '6', '7');
  const { found } = await look({ freeBytes: 0 }, disk);
  expect(found.map(({ code }) => code)).toEqual(['StorageFull', 'NameTaken']);
  expect(found[1]?.message).toContain('with 1, 2, 3, 4, 5 and 2 more');
});

it('makes a folder of any name, and none that leads elsewhere', () => {
  expect(folderNameOf('web01 (old)')).toBe('web01 (old)');
  expect(folderNameOf('a/b\\c:d')).toBe('a_b_c_d');
  for (const name of ['..', '.', ' ', '[x] y', 'a\0b', '../web01', 'a..b']) {
    expect(folderNameOf(name)).not.toMatch(/^\.*$|\.\.|[[\]\0/]/);
  }
});
