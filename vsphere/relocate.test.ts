// How relocating, snapshots and questions behave towards what a target does meanwhile, by a script: tasks that are
// cancelled, finish first, run already, or are left to run.
import { expect, test } from 'vitest';
import { connect, type Vsphere } from './index.ts';
import { reference, type ScriptedObjects, scriptedObjects, text, value } from './testing/scripted-objects.ts';
import {
  type Answer,
  type Asked,
  faultAnswer,
  returns,
  type ScriptedServer,
  startScriptedServer,
} from './testing/scripted-server.ts';

const VM = 'vm-1';
const SPEC = {
  ...{ folder: 'group-v2', datastore: 'datastore-2', pool: 'resgroup-2', host: 'host-2' },
  diskMoveType: 'moveAllDiskBackingsAndDisallowSharing',
  disks: [{ key: 2000, datastore: 'datastore-2' }],
} as const;

interface Scene extends AsyncDisposable {
  readonly vsphere: Vsphere;
  readonly server: ScriptedServer;
  readonly objects: ScriptedObjects;
}

/** A target with one VM on `source`; `others` answers what is not reading and watching. */
async function scene(others: (asked: Asked, objects: ScriptedObjects) => Answer | undefined): Promise<Scene> {
  const objects = scriptedObjects();
  objects.set('Datastore', 'datastore-2', { name: text('production') });
  standAt(objects, 'source');
  const server = await startScriptedServer(objects.script((asked) => others(asked, objects)));
  const { port, fingerprint } = server;
  const vsphere = await connect({ host: '127.0.0.1', port, fingerprint, user: 'root', password: 'x' });
  return {
    ...{ vsphere, server, objects },
    async [Symbol.asyncDispose]() {
      await vsphere[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function standAt(objects: ScriptedObjects, datastore: 'source' | 'production'): void {
  const disk =
    '<VirtualDevice xsi:type="VirtualDisk"><key>2000</key><backing xsi:type="VirtualDiskFlatVer2BackingInfo">' +
    `<fileName>[${datastore}] a/a.vmdk</fileName><diskMode>persistent</diskMode></backing>` +
    '<capacityInKB>1024</capacityInKB></VirtualDevice>';
  objects.set('VirtualMachine', VM, {
    parent: reference('Folder', 'group-v2'),
    resourcePool: reference('ResourcePool', 'resgroup-2'),
    'runtime.host': reference('HostSystem', 'host-2'),
    'summary.config.vmPathName': text(`[${datastore}] a/a.vmx`),
    'config.hardware.device': value('ArrayOfVirtualDevice', disk),
  });
}

const taskAnswer = ({ method }: Asked): Answer =>
  returns(method, '<returnval type="Task">task-1</returnval>');

function taskRuns(objects: ScriptedObjects, descriptionId = 'VirtualMachine.relocate'): void {
  objects.set('VirtualMachine', VM, {
    recentTask: value(
      'ArrayOfManagedObjectReference',
      '<ManagedObjectReference type="Task">task-1</ManagedObjectReference>',
    ),
  });
  objects.set('Task', 'task-1', {
    'info.descriptionId': text(descriptionId),
    'info.state': value('TaskInfoState', 'running'),
    'info.progress': value('xsd:int', '40'),
  });
}

function taskEnds(objects: ScriptedObjects, fault?: string): void {
  const state = value('TaskInfoState', fault === undefined ? 'success' : 'error');
  const inner = `<fault xsi:type="${fault ?? ''}"/><localizedMessage>said the target</localizedMessage>`;
  const error: Record<string, string> =
    fault === undefined ? {} : { 'info.error': value('LocalizedMethodFault', inner) };
  objects.set('Task', 'task-1', { ...error, 'info.state': state });
}

test('a relocation is asked for once, tells its task and its progress, and is done when it is there', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'RelocateVM_Task') return undefined;
    taskRuns(objects);
    return taskAnswer(asked);
  });
  const tasks: string[] = [];
  const onProgress = (percent: number): void => {
    expect(percent).toBe(40);
    standAt(at.objects, 'production');
    taskEnds(at.objects);
  };
  const options = {
    priority: 'highPriority',
    onTask: (task: string) => tasks.push(task),
    onProgress,
  } as const;
  await at.vsphere.relocateVm(VM, SPEC, options);
  await at.vsphere.relocateVm(VM, SPEC, options);
  expect(tasks).toEqual(['task-1']);
  expect(at.server.count('RelocateVM_Task')).toBe(1);
  expect(at.server.asked.find(({ method }) => method === 'RelocateVM_Task')?.body).toContain(
    '<spec><folder type="Folder">group-v2</folder><datastore type="Datastore">datastore-2</datastore>' +
      '<diskMoveType>moveAllDiskBackingsAndDisallowSharing</diskMoveType>' +
      '<pool type="ResourcePool">resgroup-2</pool><host type="HostSystem">host-2</host>' +
      '<disk><diskId>2000</diskId><datastore type="Datastore">datastore-2</datastore></disk></spec>' +
      '<priority>highPriority</priority>',
  );
});

test('a relocation that is cancelled says that the target undid it', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method === 'CancelTask') {
      taskEnds(objects, 'RequestCanceled');
      return returns(asked.method, '');
    }
    if (asked.method !== 'RelocateVM_Task') return undefined;
    taskRuns(objects);
    return taskAnswer(asked);
  });
  const cancel = new AbortController();
  const relocating = at.vsphere.relocateVm(VM, SPEC, {
    signal: cancel.signal,
    onProgress: () => cancel.abort(),
  });
  await expect(relocating).rejects.toMatchObject({ code: 'Cancelled', fault: 'RequestCanceled' });
});

test('a relocation that was finished before the cancel came is done', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method === 'CancelTask') {
      taskEnds(objects);
      return faultAnswer('InvalidState', 'The task has finished.');
    }
    if (asked.method !== 'RelocateVM_Task') return undefined;
    taskRuns(objects);
    return taskAnswer(asked);
  });
  const cancel = new AbortController();
  await at.vsphere.relocateVm(VM, SPEC, { signal: cancel.signal, onProgress: () => cancel.abort() });
  expect(at.server.count('CancelTask')).toBe(1);
});

test('a cancel that is refused is told', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method === 'CancelTask') return faultAnswer('NoPermission', 'Not yours.');
    if (asked.method !== 'RelocateVM_Task') return undefined;
    taskRuns(objects);
    return taskAnswer(asked);
  });
  const cancel = new AbortController();
  const relocating = at.vsphere.relocateVm(VM, SPEC, {
    signal: cancel.signal,
    onProgress: () => cancel.abort(),
  });
  await expect(relocating).rejects.toMatchObject({ code: 'NoPermission' });
});

test('a relocation that is left runs on, and who comes back attaches to it', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'RelocateVM_Task') return undefined;
    taskRuns(objects);
    return taskAnswer(asked);
  });
  const detach = new AbortController();
  const first = at.vsphere.relocateVm(VM, SPEC, {
    detach: detach.signal,
    onProgress: () => detach.abort(),
  });
  await expect(first).rejects.toMatchObject({ code: 'Cancelled', fault: undefined });
  const onProgress = (): void => {
    standAt(at.objects, 'production');
    taskEnds(at.objects);
  };
  await at.vsphere.relocateVm(VM, SPEC, { onProgress });
  expect(at.server.count('CancelTask')).toBe(0);
  expect(at.server.count('RelocateVM_Task')).toBe(1);
});

test('cancelled before it began, nothing is asked for', async () => {
  await using at = await scene(() => undefined);
  const relocating = at.vsphere.relocateVm(VM, SPEC, { signal: AbortSignal.abort() });
  await expect(relocating).rejects.toMatchObject({ code: 'Cancelled', fault: undefined });
  expect(at.server.count('RelocateVM_Task')).toBe(0);
});

test.each([
  ['MigrationFault', 'NotSupported'],
  ['DisallowedMigrationDeviceAttached', 'NotSupported'],
  ['NoDiskSpace', 'StorageFull'],
])('a relocation that fails with %s is %s', async (fault, code) => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'RelocateVM_Task') return undefined;
    taskRuns(objects);
    taskEnds(objects, fault);
    return taskAnswer(asked);
  });
  await expect(at.vsphere.relocateVm(VM, SPEC)).rejects.toMatchObject({ code, fault });
});

test('a check tells errors and warnings apart', async () => {
  const finding = (name: string, fault: string): string =>
    `<${name}><fault xsi:type="${fault}"/><localizedMessage>${fault} it is</localizedMessage></${name}>`;
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'CheckRelocate_Task') return undefined;
    const found = finding('warning', 'RawDiskNotSupported') + finding('error', 'NotLicensed');
    objects.set('Task', 'task-1', {
      'info.state': value('TaskInfoState', 'success'),
      'info.result': value('ArrayOfCheckResult', `<CheckResult>${found}</CheckResult>`),
    });
    return taskAnswer(asked);
  });
  expect(await at.vsphere.checkRelocate(VM, SPEC)).toEqual({
    errors: [{ fault: 'NotLicensed', text: 'NotLicensed it is' }],
    warnings: [{ fault: 'RawDiskNotSupported', text: 'RawDiskNotSupported it is' }],
  });
});

const SNAPSHOT = {
  name: 'rundirect-a1',
  description: 'before the copy',
  memory: false,
  quiesce: false,
} as const;

function hasSnapshot(objects: ScriptedObjects): void {
  const tree = (name: string, moref: string, inner: string, element: string): string =>
    `<${element}><snapshot type="VirtualMachineSnapshot">${moref}</snapshot><vm type="VirtualMachine">${VM}</vm>` +
    `<name>${name}</name><description>d</description><id>1</id><createTime>2026-01-01T00:00:00Z</createTime>` +
    `<state>poweredOn</state><quiesced>false</quiesced>${inner}</${element}>`;
  const child = tree(SNAPSHOT.name, 'snapshot-2', '', 'childSnapshotList');
  const root = tree('the user&apos;s', 'snapshot-1', child, 'rootSnapshotList');
  const current = '<currentSnapshot type="VirtualMachineSnapshot">snapshot-2</currentSnapshot>';
  objects.set('VirtualMachine', VM, { snapshot: value('VirtualMachineSnapshotInfo', current + root) });
}

test('a snapshot that an earlier try made, or is making, is that snapshot', async () => {
  await using at = await scene(() => undefined);
  taskRuns(at.objects, 'VirtualMachine.createSnapshotEx');
  const onProgress = (): void => {
    hasSnapshot(at.objects);
    taskEnds(at.objects);
  };
  expect(await at.vsphere.createSnapshot(VM, SNAPSHOT, { onProgress })).toBe('snapshot-2');
  expect(await at.vsphere.createSnapshot(VM, SNAPSHOT)).toBe('snapshot-2');
  expect(at.server.count('CreateSnapshotEx_Task')).toBe(0);
});

test('a new snapshot keeps no memory, and rests the guest only when asked', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'CreateSnapshotEx_Task') return undefined;
    objects.set('Task', 'task-1', {
      'info.state': value('TaskInfoState', 'success'),
      'info.result': reference('VirtualMachineSnapshot', 'snapshot-3'),
    });
    return taskAnswer(asked);
  });
  expect(await at.vsphere.createSnapshot(VM, SNAPSHOT)).toBe('snapshot-3');
  await at.vsphere.createSnapshot(VM, { ...SNAPSHOT, quiesce: true });
  const [still, resting] = at.server.asked.filter(({ method }) => method === 'CreateSnapshotEx_Task');
  expect(still?.body).toContain('<memory>false</memory></CreateSnapshotEx_Task>');
  expect(resting?.body).toContain('<memory>false</memory><quiesceSpec></quiesceSpec>');
});

test('no snapshot is nothing to remove', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'RemoveAllSnapshots_Task') return undefined;
    taskEnds(objects);
    return taskAnswer(asked);
  });
  await at.vsphere.removeAllSnapshots(VM);
  expect(at.server.count('RemoveAllSnapshots_Task')).toBe(0);
  hasSnapshot(at.objects);
  await at.vsphere.removeAllSnapshots(VM, { consolidate: true });
  expect(at.server.count('RemoveAllSnapshots_Task')).toBe(1);
});

test('one snapshot is removed by its name, and the others stay', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'RemoveSnapshot_Task') return undefined;
    taskEnds(objects);
    return taskAnswer(asked);
  });
  hasSnapshot(at.objects);
  await at.vsphere.removeSnapshot(VM, SNAPSHOT.name);
  await at.vsphere.removeSnapshot(VM, 'of another day');
  const removals = at.server.asked.filter(({ method }) => method === 'RemoveSnapshot_Task');
  expect(removals).toHaveLength(1);
  expect(removals[0]?.body).toContain('snapshot-2');
  expect(removals[0]?.body).toContain(
    '<removeChildren>false</removeChildren><consolidate>true</consolidate>',
  );
});

test('a suspend that runs is waited for, before a second one and before a power-on', async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'PowerOnVM_Task') return undefined;
    expect(isOver).toBe(true);
    taskEnds(objects);
    return taskAnswer(asked);
  });
  let isOver = false;
  taskRuns(at.objects, 'VirtualMachine.suspend');
  const onProgress = (): void => {
    isOver = true;
    taskEnds(at.objects);
  };
  await at.vsphere.suspendVm(VM, { onProgress });
  expect(at.server.count('SuspendVM_Task')).toBe(0);
  isOver = false;
  taskRuns(at.objects, 'VirtualMachine.suspend');
  const poweringOn = at.vsphere.powerOnVm(VM, { movedOrCopied: 'moved' });
  await expect.poll(() => at.server.count('WaitForUpdatesEx')).toBeGreaterThan(1);
  onProgress();
  await poweringOn;
  expect(at.server.count('PowerOnVM_Task')).toBe(1);
});

test('a task that has ended, or is forgotten, needs no cancelling', async () => {
  await using at = await scene((asked) =>
    asked.method === 'CancelTask' ? faultAnswer('InvalidState', 'it has ended') : undefined,
  );
  await at.vsphere.cancelTask('task-1');
  expect(at.server.count('CancelTask')).toBe(1);
});

test("a question that is not ours is shown, once, and waits for a person's answer", async () => {
  await using at = await scene((asked, objects) => {
    if (asked.method !== 'PowerOnVM_Task') return undefined;
    taskRuns(objects, 'VirtualMachine.powerOn');
    const choice =
      '<choiceInfo><label>Retry</label><summary>Retry</summary><key>0</key></choiceInfo><defaultIndex>0</defaultIndex>';
    const question = `<id>7</id><text>msg.hbacommon.outofspace: no space</text><choice>${choice}</choice>`;
    objects.set('VirtualMachine', VM, {
      'runtime.question': value('VirtualMachineQuestionInfo', question),
    });
    return taskAnswer(asked);
  });
  const shown: string[] = [];
  await at.vsphere.powerOnVm(VM, {
    movedOrCopied: 'moved',
    onQuestion: ({ id, choices, defaultChoice }) => {
      shown.push(`${id} ${choices.length} ${defaultChoice ?? ''}`);
      taskEnds(at.objects);
    },
  });
  expect(shown).toEqual(['7 1 0']);
  expect(at.server.count('AnswerVM')).toBe(0);
});
