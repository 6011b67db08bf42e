// What a finalize asks of a target beside the start's calls, against the lab as a host and as a vCenter.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Lab, type LabVm, startLab } from '../lab/lab.ts';
import { MAX_UPLOAD_BYTES } from './file-transfer.ts';
import { connect, type Vsphere } from './index.ts';
import { listObjects } from './property-collector.ts';
import { openSession } from './session.ts';
import { awaitTask } from './tasks.ts';

/** The first run on a machine builds the lab. */
const BUILD_LIMIT_MS = 600_000;
const GUEST_LIMIT_MS = 60_000;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each(['esx', 'vcenter'] as const)('%s', (model) => {
  let lab: Lab;
  let vsphere: Vsphere;
  let vm: LabVm;

  beforeAll(async () => {
    lab = await startLab({ model });
    vsphere = await connect(lab);
    vm = await lab.createVm({ name: 'web', disks: [{ datastore: 'datastore2', sizeMiB: 8 }] });
  }, BUILD_LIMIT_MS);
  afterAll(async () => {
    await vsphere[Symbol.asyncDispose]();
    await lab.close();
  });
  afterEach(() => lab.clearFaults());

  const onDisk = (datastore: string, ...path: string[]): string =>
    join(lab.datastores.find(({ name }) => name === datastore)!.path, ...path);

  test('files of a datastore are made, listed, copied, moved, read and deleted', async () => {
    await vsphere.makeDirectory('[datastore1] new/inner');
    await vsphere.makeDirectory('[datastore1] new/inner');
    await vsphere.uploadFile('[datastore1] new/inner/a b+%#.vmx', bytes('one'));
    await vsphere.uploadFile('[datastore1] new/inner/a b+%#.vmx', bytes('displayName = "ä"'));
    expect(await readFile(onDisk('datastore1', 'new', 'inner', 'a b+%#.vmx'), 'utf8')).toBe(
      'displayName = "ä"',
    );
    expect(Buffer.from(await vsphere.downloadFile('[datastore1] new/inner/a b+%#.vmx')).toString()).toBe(
      'displayName = "ä"',
    );
    const copy = { source: '[datastore1] new/inner/a b+%#.vmx', destination: '[datastore2] copied.vmx' };
    await vsphere.copyDatastoreFile(copy);
    await expect(vsphere.copyDatastoreFile(copy)).rejects.toMatchObject({ code: 'AlreadyExists' });
    await vsphere.copyDatastoreFile({ ...copy, overwrite: true });
    await vsphere.moveDatastoreFile({ source: copy.destination, destination: '[datastore2] moved.vmx' });
    expect(await readdir(onDisk('datastore2'))).toContain('moved.vmx');
    expect(await readdir(onDisk('datastore2'))).not.toContain('copied.vmx');
    const listed = await vsphere.listFolder('[datastore1] new');
    expect(listed?.map(({ path, isFolder, sizeBytes }) => ({ path, isFolder, sizeBytes }))).toEqual(
      expect.arrayContaining([
        { path: '[datastore1] new/inner', isFolder: true, sizeBytes: expect.any(Number) as number },
        { path: '[datastore1] new/inner/a b+%#.vmx', isFolder: false, sizeBytes: 18 },
      ]),
    );
    await vsphere.deleteDatastoreFile('[datastore1] new');
    await vsphere.deleteDatastoreFile('[datastore1] new');
    await vsphere.deleteDatastoreFile('[datastore2] moved.vmx');
    expect(await vsphere.listFolder('[datastore1] new')).toBeUndefined();
    await expect(vsphere.downloadFile('[datastore1] new/inner/a')).rejects.toMatchObject({
      code: 'NotFound',
    });
  });

  test.each([
    '[datastore1]',
    '[datastore1] ',
    '[datastore1] /',
    '[datastore1]   ',
    '[datastore1] a/ /b',
    '[datastore1] .. /x',
    '[datastore1] ../x',
    '[datastore1] a//b',
    'x',
  ])('"%s" is no file, and nothing is deleted', async (path) => {
    const before = (await lab.methodLog()).length;
    await expect(vsphere.deleteDatastoreFile(path)).rejects.toMatchObject({ code: 'InvalidInput' });
    expect((await lab.methodLog()).slice(before)).toEqual([]);
  });

  test('a datastore that is not there is NotFound, a file that is too large is refused', async () => {
    await expect(vsphere.makeDirectory('[nowhere] x')).rejects.toMatchObject({ code: 'NotFound' });
    const large = new Uint8Array(MAX_UPLOAD_BYTES + 1);
    await expect(vsphere.uploadFile('[datastore1] x', large)).rejects.toMatchObject({
      code: 'InvalidInput',
    });
    const elsewhere = vsphere.makeDirectory('[datastore1] x', { datacenter: 'datacenter-none' });
    await expect(elsewhere).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('a session that the target ended is renewed for a file, too', async () => {
    await vsphere.uploadFile('[datastore1] kept.txt', bytes('kept'));
    await lab.endSessions();
    expect(Buffer.from(await vsphere.downloadFile('[datastore1] kept.txt')).toString()).toBe('kept');
    await lab.endSessions();
    await vsphere.uploadFile('[datastore1] kept.txt', bytes('again'));
    await vsphere.deleteDatastoreFile('[datastore1] kept.txt');
  });

  test('a VM is renamed in the inventory, and destroyed with its files, each again for good measure', async () => {
    const made = await lab.createVm({ name: 'original' });
    await vsphere.renameVm(made.moref, 'original (before 50%/x)');
    await vsphere.renameVm(made.moref, 'original (before 50%/x)');
    expect((await vsphere.readVm(made.moref))?.name).toBe('original (before 50%/x)');
    expect((await vsphere.readVm(made.moref))?.vmPathName).toBe(made.path);
    await expect(vsphere.renameVm(made.moref, 'web')).rejects.toMatchObject({ code: 'NameTaken' });
    await vsphere.destroyVm(made.moref);
    await vsphere.destroyVm(made.moref);
    expect(await vsphere.readVm(made.moref)).toBeUndefined();
    expect(await readdir(onDisk('datastore1'))).not.toContain('original');
  });

  test('an emptied uuid.action leaves the VM and its .vmx', async () => {
    const file = join(vm.folder, vm.path.slice(vm.path.lastIndexOf('/') + 1));
    await vsphere.reconfigureVm(vm.moref, { extraConfig: { 'uuid.action': 'keep' } });
    expect(await readFile(file, 'utf8')).toMatch(/uuid\.action = "keep"/);
    await vsphere.reconfigureVm(vm.moref, { extraConfig: { 'uuid.action': '' } });
    expect((await vsphere.readVm(vm.moref))?.extraConfig).not.toHaveProperty(['uuid.action']);
    expect(await readFile(file, 'utf8')).not.toContain('uuid.action');
  });

  test('an isolated network is made and taken away, each again; a card is put into it and back', async () => {
    const [host] = (await vsphere.inventory()).hosts;
    const spec = { vswitch: 'rundirect-drill', portGroup: 'rundirect-drill-1' };
    const network = await vsphere.addIsolatedPortGroup(host!.moref, spec);
    expect(await vsphere.addIsolatedPortGroup(host!.moref, spec)).toBe(network);
    const before = (await vsphere.readVm(vm.moref))!.nics[0]!;
    await vsphere.reconfigureVm(vm.moref, { nics: [{ key: before.key, network, startConnected: false }] });
    expect((await vsphere.readVm(vm.moref))?.nics[0]).toMatchObject({
      network: spec.portGroup,
      startConnected: false,
      macAddress: before.macAddress,
    });
    const former = host!.networks.find(({ name }) => name === before.network)!;
    const back = { key: before.key, network: former.moref, startConnected: before.startConnected };
    await vsphere.reconfigureVm(vm.moref, { nics: [back] });
    expect((await vsphere.readVm(vm.moref))?.nics[0]).toEqual(before);
    const other = { vswitch: 'rundirect-other', portGroup: spec.portGroup };
    await expect(vsphere.addIsolatedPortGroup(host!.moref, other)).rejects.toMatchObject({
      code: 'AlreadyExists',
    });
    await vsphere.removeIsolatedPortGroup(host!.moref, spec);
    await vsphere.removeIsolatedPortGroup(host!.moref, spec);
    const missing = vsphere.reconfigureVm(vm.moref, { nics: [{ key: before.key, network }] });
    await expect(missing).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('devices are called as a .vmx calls them, and a VM says where it stands in the tree', async () => {
    const seen = (await vsphere.readVm(vm.moref))!;
    expect(seen.disks.map(({ node }) => node)).toEqual(['scsi0:0', 'scsi0:1']);
    expect(seen.nics.map(({ node }) => node)).toEqual(['ethernet0']);
    const { hosts, resourcePools } = await vsphere.inventory();
    expect(seen.folder).toBe(hosts[0]?.datacenter.vmFolder);
    expect(resourcePools.map(({ moref }) => moref)).toContain(seen.resourcePool);
    const [summary] = await vsphere.findVmsByName('web');
    const { folder, uuid, instanceUuid } = seen;
    expect(summary).toMatchObject({ folder, uuid, instanceUuid });
    expect(summary?.diskFiles).toEqual(seen.disks.map(({ fileName }) => fileName));
    expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  test('a snapshot that is still being made is waited for before it is removed', async () => {
    const made = await lab.createVm({ name: 'undone', disks: [{ sizeMiB: 8 }] });
    await lab.addFault({ method: 'CreateSnapshotEx_Task', action: 'drop', times: 1 });
    const spec = { name: 's', description: '', memory: false, quiesce: false } as const;
    const lost = vsphere.createSnapshot(made.moref, spec);
    await expect(lost).rejects.toMatchObject({ code: 'TargetUnavailable' });
    await vsphere.removeSnapshot(made.moref, 's');
    await vsphere.removeSnapshot(made.moref, 's');
    expect((await vsphere.readVm(made.moref))?.snapshots).toEqual([]);
    await vsphere.destroyVm(made.moref);
  });

  test('a disk is added to a VM and taken off again, each again; its file stays', async () => {
    const made = await lab.createVm({ name: 'grows', disks: [{ sizeMiB: 8 }] });
    const capacityBytes = 8 << 20;
    const spec = { path: '[datastore1] grows/more.vmdk', capacityBytes };
    const form = model === 'esx' ? { spec: { diskType: 'thin', adapterType: 'lsiLogic' } as const } : {};
    await vsphere.copyVirtualDisk({
      ...{ source: '[datastore1] grows/grows_1.vmdk', destination: spec.path, ...form },
    });
    expect(await vsphere.findDiskPlace(made.moref)).toBe('scsi0:2');
    // Between the call and its answer, whoever asked is gone.
    await lab.addFault({ method: 'ReconfigVM_Task', action: 'drop', times: 1 });
    const dropped = vsphere.attachDisk(made.moref, spec);
    await expect(dropped).rejects.toMatchObject({ code: 'TargetUnavailable' });
    expect(await vsphere.attachDisk(made.moref, spec)).toBe('scsi0:2');
    const disks = (await vsphere.readVm(made.moref))!.disks;
    expect(disks.filter(({ fileName }) => fileName === spec.path)).toMatchObject([
      { node: 'scsi0:2', capacityBytes },
    ]);
    const none = { ...spec, path: '[datastore1] grows/none.vmdk' };
    await expect(vsphere.attachDisk(made.moref, none)).rejects.toMatchObject({ code: 'NotFound' });

    await vsphere.createSnapshot(made.moref, {
      ...{ name: 's', description: '', memory: false, quiesce: false },
    });
    expect(await vsphere.attachDisk(made.moref, spec)).toBe('scsi0:2');
    const held = vsphere.detachDisk(made.moref, spec.path);
    await expect(held).rejects.toMatchObject({ code: 'InvalidState' });
    await vsphere.removeAllSnapshots(made.moref);
    await lab.addFault({ method: 'ReconfigVM_Task', action: 'drop', times: 1 });
    const lost = vsphere.detachDisk(made.moref, spec.path);
    await expect(lost).rejects.toMatchObject({ code: 'TargetUnavailable' });
    await vsphere.detachDisk(made.moref, spec.path);
    expect((await vsphere.readVm(made.moref))?.disks).toHaveLength(2);
    expect(await readdir(onDisk('datastore1', 'grows'))).toContain('more-flat.vmdk');
    await vsphere.destroyVm(made.moref);
    await vsphere.detachDisk(made.moref, spec.path);
    await expect(vsphere.attachDisk(made.moref, spec)).rejects.toMatchObject({ code: 'NotFound' });
  });

  test.runIf(model === 'vcenter')('a card is put on a distributed switch and back', async () => {
    const [host] = (await vsphere.inventory()).hosts;
    const before = (await vsphere.readVm(vm.moref))!.nics[0]!;
    const former = host!.networks.find(({ name }) => name === before.network)!;
    const portgroup = host!.networks.find(({ moref }) => moref.startsWith('dvportgroup-'))!;
    await vsphere.reconfigureVm(vm.moref, { nics: [{ key: before.key, network: portgroup.moref }] });
    const moved = (await vsphere.readVm(vm.moref))?.nics[0];
    expect(moved).toMatchObject({ portgroupKey: portgroup.moref, macAddress: before.macAddress });
    await vsphere.reconfigureVm(vm.moref, { nics: [{ key: before.key, network: former.moref }] });
    expect((await vsphere.readVm(vm.moref))?.nics[0]).toEqual(before);
  });

  test('a disk is copied with all its bytes, not over another one, and deleted', async () => {
    const [disk] = (await vsphere.readVm(vm.moref))!.disks.slice(1);
    const copy = { source: disk!.fileName, destination: '[datastore1] disks/copy.vmdk' };
    await vsphere.makeDirectory('[datastore1] disks');
    await vsphere.copyVirtualDisk(copy);
    await expect(vsphere.copyVirtualDisk(copy)).rejects.toMatchObject({ code: 'AlreadyExists' });
    const files = (await vsphere.listFolder('[datastore1] disks'))?.map(({ path }) => path);
    expect(files).toContain('[datastore1] disks/copy.vmdk');
    const flat = await readFile(onDisk('datastore1', 'disks', 'copy-flat.vmdk'));
    expect(flat.byteLength).toBe(disk!.capacityBytes);
    await vsphere.deleteVirtualDisk(copy.destination);
    await vsphere.deleteVirtualDisk(copy.destination);
    expect(await vsphere.listFolder('[datastore1] disks')).toEqual([]);
    await vsphere.deleteDatastoreFile('[datastore1] disks');
  });

  test('a vSwitch that carries another port group stays', async () => {
    const [host] = (await vsphere.inventory()).hosts;
    const [one, two] = ['a', 'b'].map((portGroup) => ({ vswitch: 'rundirect-two', portGroup }));
    await vsphere.addIsolatedPortGroup(host!.moref, one!);
    const network = await vsphere.addIsolatedPortGroup(host!.moref, two!);
    await vsphere.removeIsolatedPortGroup(host!.moref, one!);
    expect(await vsphere.addIsolatedPortGroup(host!.moref, two!)).toBe(network);
    await vsphere.removeIsolatedPortGroup(host!.moref, two!);
  });

  test('what a target is good for is in the inventory', async () => {
    const { hosts, datastores } = await vsphere.inventory();
    expect(typeof hosts[0]?.capability.storageVMotionSupported).toBe('boolean');
    const datastore = datastores.find(({ name }) => name === 'datastore1');
    expect(datastore).toMatchObject({ type: 'VMFS', inMaintenanceMode: false, accessible: true });
    expect(datastore?.freeBytes).toBeGreaterThan(0);
    expect(await vsphere.readVm(vm.moref)).toMatchObject({ snapshots: [], consolidationNeeded: false });
  });

  test('many objects come page by page, and nothing stays behind when the reader stops', async () => {
    await lab.createVm({ name: 'second' });
    await lab.createVm({ name: 'third' });
    await using session = await openSession(lab);
    const names: string[] = [];
    let pages = 0;
    for await (const page of listObjects(session, 'VirtualMachine', ['name'], { pageObjects: 1 })) {
      pages++;
      names.push(...page.map(({ read }) => read.name ?? ''));
    }
    expect(pages).toBe(names.length);
    expect(names.sort()).toEqual((await lab.vms()).map(({ name }) => name).sort());
    const before = (await lab.methodLog()).length;
    for await (const page of listObjects(session, 'VirtualMachine', ['name'], { pageObjects: 1 })) {
      expect(page.length).toBe(1);
      break;
    }
    const after = (await lab.methodLog()).slice(before).map(({ method }) => method);
    expect(after).toContain('CancelRetrievePropertiesEx');
    expect(after.at(-1)).toBe('DestroyView');
  });

  test('a VM is suspended, resumed and reset', { timeout: GUEST_LIMIT_MS }, async () => {
    const moved = { movedOrCopied: 'moved' } as const;
    await vsphere.powerOnVm(vm.moref, moved);
    expect(await lab.guest('web').ready()).toBe(1);
    await vsphere.suspendVm(vm.moref);
    await vsphere.suspendVm(vm.moref);
    expect((await vsphere.readVm(vm.moref))?.powerState).toBe('suspended');
    await expect(vsphere.resetVm(vm.moref)).rejects.toMatchObject({ code: 'InvalidPowerState' });
    await vsphere.powerOnVm(vm.moref, moved);
    // Resumed, not booted.
    expect(await lab.guest('web').ready()).toBe(1);
    await vsphere.resetVm(vm.moref);
    await expect.poll(() => lab.guest('web').ready(), { timeout: GUEST_LIMIT_MS }).toBe(2);
    await vsphere.powerOffVm(vm.moref);
  });

  test('a power-on that still runs is attached to, and its task by its name', async () => {
    const elsewhere = '56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 03';
    const made = await lab.createVm({ name: 'waiting', extra: { 'uuid.location': elsewhere } });
    await using session = await openSession(lab);
    const ref = { type: 'VirtualMachine', value: made.moref } as const;
    const task = (await session.call('PowerOnVM_Task', ref, {}))!;
    // It stands at the question, so it runs until somebody answers.
    const asked = await vsphere.waitForVm(made.moref, ({ question }) => question !== undefined, {
      timeoutMs: GUEST_LIMIT_MS,
    });
    expect(asked?.powerState).toBe('poweredOff');
    const following = vsphere.attachTask(task.value);
    await vsphere.powerOnVm(made.moref, { movedOrCopied: 'moved' });
    await following;
    await awaitTask(session, task, 'Powering on');
    const calls = (await lab.methodLog()).filter(
      ({ method, this: self }) => method === 'PowerOnVM_Task' && self.includes(made.moref),
    );
    expect(calls).toHaveLength(1);
    await vsphere.powerOffVm(made.moref);
  });
});
