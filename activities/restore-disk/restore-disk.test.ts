// The steps of a disk's restore against a target in memory: which disk and which VM are meant, where the file goes, and
// that an undoing takes away what is the session's, and nothing else.
import { expect, it } from 'vitest';
import type { RemoveRestoredDiskInput, RestoreDiskStepInput } from '../../contract/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { fakePlacement } from '../../test/fake-world.ts';
import { runActivity } from '../../test/run-activity.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import { type Vm, type VmSummary, type Vsphere, VsphereError } from '../../vsphere/index.ts';
import { type Findings, findings } from '../preflight/findings.ts';
import { fileNameFor, partsOf } from './disk-file.ts';
import { choosePlace } from './file-place.ts';
import { lookAtVm } from './growing-vm.ts';
import { chooseDisk } from './preflight.ts';

const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const SESSION = 'web01-k3v9q2m4xa';
const FILE = {
  ...{ datastore: 'prod', folder: 'db01', name: `web01_1-${SESSION}.vmdk`, isNewFolder: false },
};
const PATH = `[prod] db01/${FILE.name}`;
const STEP: RestoreDiskStepInput = {
  sessionId: SESSION,
  target: { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed },
  placement: fakePlacement,
  exported: { remoteHost: 'gw', remotePath: '/rundirect/lab-1', vmxPath: `${SESSION}/web01.vmx` },
  disk: { name: 'web01_1.vmdk', sizeBytes: 1024 },
  vm: { moref: 'vm-7', name: 'db01' },
  file: FILE,
};
const signal = new AbortController().signal;

/** Folders and files of a target, and VMs with the disks that they have. */
class Target {
  readonly folders = new Set<string>(['[prod] db01']);
  readonly files = new Set<string>(['[prod] db01/db01.vmx']);
  readonly disks = new Map<string, string[]>([['vm-7', ['[prod] db01/db01.vmdk']]]);
  readonly ended: string[] = [];
  place: string | undefined = 'scsi0:1';
  refusal: VsphereError | undefined;
  /** Called when a VM's disks were looked at. */
  onDetach: (() => void) | undefined;

  readonly vsphere = {
    listFolder: async (path: string) => {
      if (!this.folders.has(path)) return undefined;
      const inside = [...this.files].filter((file) => file.startsWith(`${path}/`));
      return inside.map((file) => ({ path: file, isFolder: false, sizeBytes: 1, modified: undefined }));
    },
    makeDirectory: async (path: string) => {
      this.folders.add(path);
      return path;
    },
    deleteVirtualDisk: async (path: string) => void this.files.delete(path),
    deleteDatastoreFile: async (path: string) => {
      this.folders.delete(path);
      this.files.delete(path);
    },
    cancelTask: async (task: string) => void this.ended.push(task),
    attachTask: async () => undefined,
    listVms: () => this.#list(),
    findDiskPlace: async () => this.place,
    attachDisk: async (moref: string, { path }: { path: string }) => {
      if (this.refusal !== undefined) throw this.refusal;
      this.disks.get(moref)?.push(path);
      return 'scsi0:1';
    },
    detachDisk: async (moref: string, path: string) => {
      const left = (this.disks.get(moref) ?? []).filter((file) => file !== path);
      this.disks.set(moref, left);
      const { onDetach } = this;
      this.onDetach = undefined;
      onDetach?.();
    },
    readVm: async (moref: string) => this.vms.get(moref),
  } as Partial<Vsphere> as Vsphere;

  readonly vms = new Map<string, Vm>();

  async *#list(): AsyncGenerator<VmSummary> {
    for (const [moref, diskFiles] of this.disks) {
      yield { moref, name: moref, diskFiles } as Partial<VmSummary> as VmSummary;
    }
  }

  run(name: 'openDiskFolder' | 'attachRestoredDisk', input: RestoreDiskStepInput): Promise<unknown> {
    return runActivity(this.#deps(), name, input, { workflowId: input.sessionId });
  }

  remove(input: RemoveRestoredDiskInput): Promise<unknown> {
    return runActivity(this.#deps(), 'removeRestoredDisk', input, { workflowId: input.sessionId });
  }

  #deps() {
    const use = async <T>(_login: unknown, _signal: unknown, work: (vsphere: Vsphere) => Promise<T>) =>
      work(this.vsphere);
    return activityDeps({
      targets: { use, readFingerprint: async () => '' },
    });
  }

  /** The disk, as a copy leaves it. */
  addDisk(folder = '[prod] db01'): void {
    this.files.add(`${folder}/${FILE.name}`);
    this.files.add(`${folder}/${FILE.name.replace('.vmdk', '-flat.vmdk')}`);
  }
}
it('takes the disk off the VM and deletes it, with what a copy left, and leaves everything else', async () => {
  const at = new Target();
  at.addDisk();
  await at.run('attachRestoredDisk', STEP);
  expect(at.disks.get('vm-7')).toContain(PATH);
  for (const task of ['task-1', undefined]) await at.remove({ ...STEP, task });
  expect(at.ended).toEqual(['task-1']);
  expect(at.disks.get('vm-7')).toEqual(['[prod] db01/db01.vmdk']);
  expect([...at.files]).toEqual(['[prod] db01/db01.vmx']);
});

it('removes the folder that was made for it, and only when nothing else is in it', async () => {
  for (const others of [[], ['[prod] new/other.vmdk']]) {
    const at = new Target();
    const input = { ...STEP, file: { ...FILE, folder: 'new', isNewFolder: true } };
    await at.run('openDiskFolder', input);
    at.addDisk('[prod] new');
    for (const other of others) at.files.add(other);
    await at.remove({ ...input, task: undefined });
    expect(at.folders.has('[prod] new')).toBe(others.length > 0);
    expect([...at.files]).toEqual(['[prod] db01/db01.vmx', ...others]);
  }
});

it("deletes nothing of another session's, whose id goes on where its own ends", async () => {
  const at = new Target();
  at.addDisk();
  const others = ['.vmdk', '-flat.vmdk'].map((end) => `[prod] db01/web01_1-${SESSION}-2${end}`);
  for (const other of others) at.files.add(other);
  await at.remove({ ...STEP, task: undefined });
  expect([...at.files]).toEqual(['[prod] db01/db01.vmx', ...others]);
});

it('deletes no disk that somebody gave to another VM', async () => {
  const at = new Target();
  at.addDisk();
  at.disks.set('vm-8', [PATH]);
  await expect(at.remove({ ...STEP, task: undefined })).rejects.toMatchObject({ type: 'NotOurs' });
  expect(at.files).toContain(PATH);
});

it('tries again where the VM gets the disk in this very moment', async () => {
  const at = new Target();
  at.addDisk();
  at.onDetach = () => at.disks.get('vm-7')?.push(PATH);
  await expect(at.remove({ ...STEP, task: undefined })).rejects.toMatchObject({ type: 'TaskInProgress' });
  await at.remove({ ...STEP, task: undefined });
  expect(at.disks.get('vm-7')).not.toContain(PATH);
  expect(at.files).not.toContain(PATH);
});

it('says in the host’s words why the VM does not take it, and that for good', async () => {
  const at = new Target();
  at.refusal = new VsphereError('PowerOnFailed', 'the device is not good');
  await expect(at.run('attachRestoredDisk', STEP)).rejects.toMatchObject({
    ...{ type: 'AttachFailed', nonRetryable: true },
    message: expect.stringContaining('the device is not good') as string,
  });
});

it('does not go on where the VM’s folder is gone', async () => {
  const at = new Target();
  at.folders.clear();
  await expect(at.run('openDiskFolder', STEP)).rejects.toMatchObject({ type: 'NotFound' });
});

const BACKUP = {
  ...{ jobId: 'job-2', vmName: 'web01' },
  disks: [
    { name: 'web01.vmdk', sizeBytes: 1 },
    { name: 'web01_1.vmdk', sizeBytes: 2 },
  ],
  nodes: [
    { node: 'scsi0:0', file: 'web01.vmdk', sizeBytes: 1 },
    { node: 'scsi0:1', file: 'web01_1.vmdk', sizeBytes: 2 },
  ],
};

it.each(['scsi0:1', 'SCSI0:1', 'web01_1.vmdk', 'web01_1-flat.vmdk'])('%s is the second disk', (disk) => {
  expect(chooseDisk(BACKUP, { disk }, findings(false))).toEqual({ name: 'web01_1.vmdk', sizeBytes: 2 });
});

it('names the disks that there are', () => {
  const found = findings(false);
  expect(chooseDisk(BACKUP, { disk: 'scsi0:9' }, found)).toBeUndefined();
  expect(found.all[0]).toMatchObject({ code: 'NotFound' });
  expect(found.all[0]?.message).toContain('it has scsi0:0 (web01.vmdk), scsi0:1 (web01_1.vmdk)');
});

const vmOf = (changes: Partial<Vm> = {}): Vm =>
  ({
    ...{ moref: 'vm-7', name: 'db01', powerState: 'poweredOn', uuid: '', extraConfig: {} },
    ...{ vmPathName: '[prod] db01/db01.vmx', disks: [] },
    ...changes,
  }) as Partial<Vm> as Vm;

async function look(toVm: string, vm: Vm) {
  const at = new Target();
  at.vms.set(vm.moref, vm);
  const found = findings(false);
  const names = ['db01', 'twin', 'twin'];
  const vms = names.map((name, index) => ({ name, moref: `vm-${index + 7}` }) as VmSummary);
  const seen = await lookAtVm(at.vsphere, vms, { toVm }, { signal }, found);
  return { seen, codes: codesOf(found), words: found.all.map(({ message }) => message).join(' ') };
}

const codesOf = ({ all }: Findings): string[] => all.map(({ code }) => code);

it('finds the VM by its name or its moref', async () => {
  for (const toVm of ['db01', 'vm-7']) {
    expect(await look(toVm, vmOf())).toMatchObject({ seen: { moref: 'vm-7' }, codes: [] });
  }
});

it('refuses a VM that is not there, not one alone, or no place for a disk, with the way out', async () => {
  expect(await look('nobody', vmOf())).toMatchObject({ seen: undefined, codes: ['NotFound'] });
  const twins = await look('twin', vmOf());
  expect(twins.codes).toEqual(['Ambiguous']);
  expect(twins.words).toContain('vm-8, vm-9');
  const extraConfig = { [SESSION_KEY]: 'web01-1' };
  const at = new Target();
  at.place = undefined;
  at.vms.set('vm-7', vmOf({ powerState: 'suspended', extraConfig }));
  const found = findings(false);
  const vms = [{ name: 'db01', moref: 'vm-7' } as VmSummary];
  await lookAtVm(at.vsphere, vms, { toVm: 'db01' }, { signal }, found);
  expect(codesOf(found)).toEqual(['NotSupported', 'VmSuspended', 'NoPlace']);
});

const wanted = { datastore: 'prod', diskName: 'web01_1.vmdk', sessionId: SESSION };

it('puts the file beside the VM’s own, on a datastore where it has some', async () => {
  const at = new Target();
  expect(await choosePlace(at.vsphere, vmOf(), wanted, { signal }, findings(false))).toEqual(FILE);
  at.addDisk();
  const found = findings(false);
  expect(await choosePlace(at.vsphere, vmOf(), wanted, { signal }, found)).toBeUndefined();
  expect(codesOf(found)).toEqual(['NameTaken']);
});

it('makes a folder of its own on another datastore, and enters nobody else’s', async () => {
  const at = new Target();
  const there = { ...wanted, datastore: 'other' };
  const place = () => choosePlace(at.vsphere, vmOf(), there, { signal }, findings(false));
  const folder = `db01-${SESSION}`;
  expect(await place()).toMatchObject({ datastore: 'other', folder, isNewFolder: true });
  at.folders.add('[other] db01');
  expect(await place()).toMatchObject({ folder });
  at.folders.add(`[other] ${folder}`);
  const found = findings(false);
  expect(await choosePlace(at.vsphere, vmOf(), there, { signal }, found)).toBeUndefined();
  expect(codesOf(found)).toEqual(['NameTaken']);
});

it('names the file after disk and session, and knows by that what is its own', () => {
  expect(fileNameFor('web01_1.vmdk', SESSION)).toBe(FILE.name);
  const stem = `[prod] db01/${FILE.name.replace('.vmdk', '')}`;
  expect(partsOf(FILE)).toEqual([`${stem}.vmdk`, `${stem}-flat.vmdk`, `${stem}-ctk.vmdk`]);
});
