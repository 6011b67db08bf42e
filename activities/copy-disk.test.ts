import { CancelledFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import { type CopyVirtualDiskSpec, type TaskOptions, type Vsphere, VsphereError } from '../vsphere/index.ts';
import { copyDisk, endCopy } from './copy-disk.ts';

const DISK = {
  source: '[nas] web/web-000001.vmdk',
  base: '[nas] web/web.vmdk',
  destination: '[prod] web/web.vmdk',
  sizeBytes: 1024 * 512,
};
const descriptor = (adapter: string, sectors = 1024): string =>
  `# Disk DescriptorFile\nCID=abcdef01\nparentCID=ffffffff\ncreateType="vmfs"\n` +
  `RW ${sectors} VMFS "web-flat.vmdk"\nddb.adapterType = "${adapter}"\n`;

interface Running {
  readonly name: string;
  readonly end: (error?: VsphereError) => void;
}

/** A target with datastore files, whose copies end when the test says so. */
function target(isVirtualCenter: boolean, adapter = 'lsilogic') {
  const files = new Map([[DISK.base, descriptor(adapter)]]);
  const tasks = new Map<string, { running: Running; ended: Promise<unknown> }>();
  const asked: CopyVirtualDiskSpec[] = [];
  const cancelled: string[] = [];
  const follow = async (task: string, { signal, onProgress }: TaskOptions = {}): Promise<void> => {
    const known = tasks.get(task);
    if (known === undefined) throw new VsphereError('NotFound', `no ${task}`);
    onProgress?.(50);
    const left = new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(new VsphereError('Cancelled', 'nobody waits')));
    });
    await Promise.race([known.ended, left]);
  };
  const calls: Partial<Vsphere> = {
    isVirtualCenter,
    copyVirtualDisk: async (spec, options = {}) => {
      asked.push(spec);
      const task = `task-${asked.length}`;
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      promise.catch(() => undefined);
      const end = (error?: VsphereError): void => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        files.set(spec.destination, descriptor(spec.spec?.adapterType.toLowerCase() ?? 'buslogic'));
        resolve(undefined);
      };
      tasks.set(task, { running: { name: task, end }, ended: promise });
      options.onTask?.(task);
      await follow(task, options);
    },
    attachTask: follow,
    cancelTask: async (task) => {
      cancelled.push(task);
      tasks.get(task)?.running.end(new VsphereError('Cancelled', 'cancelled', { fault: 'RequestCanceled' }));
    },
    deleteVirtualDisk: async (path) => void files.delete(path),
    downloadFile: async (path) => Buffer.from(files.get(path) ?? ''),
    uploadFile: async (path, content) => void files.set(path, Buffer.from(content).toString()),
  };
  return { vsphere: calls as Vsphere, files, tasks, asked, cancelled };
}

function stepOf(attempt = 1, leftByEarlier?: unknown) {
  const abort = new AbortController();
  const left: unknown[] = [];
  const step = { signal: abort.signal, attempt, leftByEarlier, leave: (state: unknown) => left.push(state) };
  return { step, left, cancel: (reason: string) => abort.abort(new CancelledFailure(reason)) };
}

const running = ({ tasks }: ReturnType<typeof target>, task: string): Promise<Running> =>
  expect
    .poll(() => tasks.get(task)?.running)
    .toBeDefined()
    .then(() => tasks.get(task)?.running as Running);

it('tells a host what disk to make, always, and how much of it is copied', async () => {
  for (const [adapter, wanted] of [
    ['lsilogic', 'lsiLogic'],
    ['buslogic', 'busLogic'],
    ['pvscsi', 'lsiLogic'],
  ] as const) {
    const host = target(false, adapter);
    const { step } = stepOf();
    const heard: unknown[] = [];
    const copying = copyDisk(host.vsphere, DISK, step, {
      onTask: (task) => heard.push(task),
      onCopied: (bytes) => heard.push(bytes),
    });
    (await running(host, 'task-1')).end();
    await copying;
    expect(host.asked).toMatchObject([{ spec: { diskType: 'thin', adapterType: wanted } }]);
    expect(heard).toEqual(['task-1', 256 * 1024]);
    expect(host.files.get(DISK.destination)).toContain(`ddb.adapterType = "${adapter}"`);
  }
});

it('sets the adapter right after a vCenter, which takes no wish', async () => {
  const vCenter = target(true, 'ide');
  const copying = copyDisk(vCenter.vsphere, DISK, stepOf().step);
  (await running(vCenter, 'task-1')).end();
  await copying;
  expect(vCenter.asked[0]).not.toHaveProperty('spec');
  expect(vCenter.files.get(DISK.destination)).toBe(descriptor('ide'));
});

it('leaves the target at work when its worker ends, and goes on with the same task', async () => {
  const host = target(false);
  const first = stepOf();
  const copying = copyDisk(host.vsphere, DISK, first.step);
  const task = await running(host, 'task-1');
  first.cancel('WORKER_SHUTDOWN');
  await expect(copying).rejects.toThrow();
  expect(host.cancelled).toEqual([]);
  const heard: string[] = [];
  const again = copyDisk(host.vsphere, DISK, stepOf(2, first.left.at(-1)).step, {
    onTask: (each) => heard.push(each),
  });
  task.end();
  await again;
  expect(host.asked).toHaveLength(1);
  expect(heard).toEqual(['task-1']);
});

it('copies anew where the task is forgotten, or nobody knows it', async () => {
  for (const left of [{ destination: DISK.destination, task: 'task-9' }, undefined]) {
    const host = target(false);
    host.files.set(DISK.destination, 'half a disk');
    const copying = copyDisk(host.vsphere, DISK, stepOf(2, left).step);
    (await running(host, 'task-1')).end();
    await copying;
    expect(host.files.get(DISK.destination)).toBe(descriptor('lsilogic'));
  }
});

it.each(['AlreadyExists', 'ResourceInUse'] as const)(
  'copies anew where the task of an earlier attempt was refused with %s for a copy that nobody knows',
  async (code) => {
    const host = target(false);
    const second = stepOf(2);
    const refused = copyDisk(host.vsphere, DISK, second.step);
    refused.catch(() => undefined);
    // The first attempt's copy runs, and its answer was lost.
    (await running(host, 'task-1')).end(new VsphereError(code, 'an earlier copy runs'));
    await expect(refused).rejects.toThrow('an earlier copy runs');
    host.files.set(DISK.destination, 'what that one copied');
    const third = copyDisk(host.vsphere, DISK, stepOf(3, second.left.at(-1)).step);
    (await running(host, 'task-2')).end();
    await third;
    expect(host.files.get(DISK.destination)).toBe(descriptor('lsilogic'));
  },
);

it('ends the work at the target when the Workflow wants it no more', async () => {
  const host = target(false);
  const { step, cancel } = stepOf();
  const copying = copyDisk(host.vsphere, DISK, step);
  await running(host, 'task-1');
  cancel('CANCELLED');
  await expect(copying).rejects.toThrow();
  expect(host.cancelled).toEqual(['task-1']);
  await endCopy(host.vsphere, 'task-1', stepOf().step);
  await endCopy(host.vsphere, 'task-of-yesterday', stepOf().step);
});

it('gives up at once for good where the target refuses, and waits where it is away', async () => {
  for (const [error, type, nonRetryable] of [
    [new VsphereError('StorageFull', 'no space'), 'StorageFull', true],
    [new VsphereError('Unexpected', 'who knows'), 'MigrationFailed', true],
    [new VsphereError('Cancelled', 'somebody did'), 'MigrationFailed', true],
    [new VsphereError('AlreadyExists', 'there'), 'NameTaken', true],
  ] as const) {
    const host = target(false);
    const copying = copyDisk(host.vsphere, DISK, stepOf().step);
    copying.catch(() => undefined);
    (await running(host, 'task-1')).end(error);
    await expect(copying).rejects.toMatchObject({ type, nonRetryable });
  }
  const busy = target(false);
  const copying = copyDisk(busy.vsphere, DISK, stepOf(2).step);
  copying.catch(() => undefined);
  (await running(busy, 'task-1')).end(new VsphereError('AlreadyExists', 'an earlier copy runs'));
  await expect(copying).rejects.toMatchObject({ type: 'TaskInProgress', nonRetryable: false });
});

it('believes no copy of another size', async () => {
  const host = target(false);
  const copying = copyDisk(host.vsphere, { ...DISK, sizeBytes: 4096 }, stepOf().step);
  copying.catch(() => undefined);
  (await running(host, 'task-1')).end();
  await expect(copying).rejects.toMatchObject({ type: 'MigrationFailed' });
});
