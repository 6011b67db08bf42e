// Mounting and unmounting on hosts that really do it: an NFS server of ours, the lab as host and as vCenter.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Lab, startLab } from '../../lab/lab.ts';
import { type NfsServer, startNfsServer } from '../../nfs/index.ts';
import { FolderFileSystem } from '../../nfs/testing/index.ts';
import { connect, type Host, type Vsphere } from '../../vsphere/index.ts';

const PREPARE_LIMIT_MS = 15 * 60_000;
const EXPORT = '/export';
const SPEC = { name: 'rundirect-e2e', remoteHost: '127.0.0.1', remotePath: EXPORT };

describe.each(['esx', 'vcenter'] as const)('%s', (model) => {
  let folder: string;
  let fileSystem: FolderFileSystem;
  let server: NfsServer;
  let lab: Lab;
  let vsphere: Vsphere;
  let hosts: readonly Host[];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'nas-export-'));
    fileSystem = new FolderFileSystem(folder, EXPORT);
    server = await startNfsServer({
      fileSystem,
      host: '127.0.0.1',
      ports: { nfs: 0, mount: 0, portmap: 'off' },
    });
    lab = await startLab({ model, nfsPort: server.ports.nfs, mountPort: server.ports.mount });
    vsphere = await connect(lab);
    hosts = (await vsphere.inventory()).hosts;
  }, PREPARE_LIMIT_MS);

  afterAll(async () => {
    await vsphere[Symbol.asyncDispose]();
    await lab.close();
    await server[Symbol.asyncDispose]();
    await fileSystem[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('each host mounts it once, as one datastore, and unmounts it once', async () => {
    const morefs: string[] = [];
    for (const { moref } of hosts) {
      morefs.push(
        await vsphere.createNasDatastore(moref, SPEC),
        await vsphere.createNasDatastore(moref, SPEC),
      );
    }
    expect(new Set(morefs).size).toBe(1);
    const standing = (await vsphere.inventory()).datastores.find((each) => each.moref === morefs[0]);
    expect(standing).toMatchObject({
      name: SPEC.name,
      type: 'NFS',
      accessible: true,
      nas: { remoteHost: '127.0.0.1', remotePath: EXPORT },
    });
    expect(standing?.hosts.toSorted()).toEqual(hosts.map((each) => each.moref).sort());
    for (const { moref } of hosts) {
      await vsphere.removeDatastore(moref, SPEC.name);
      await vsphere.removeDatastore(moref, SPEC.name);
    }
    expect(await lab.mounts()).toEqual([]);
  });

  test('a mount or an unmount whose answer was lost is found done', async () => {
    const { moref } = hosts[0]!;
    await lab.addFault({ method: 'CreateNasDatastore', action: 'drop', times: 1 });
    await expect(vsphere.createNasDatastore(moref, SPEC)).rejects.toMatchObject({
      code: 'TargetUnavailable',
    });
    await vsphere.createNasDatastore(moref, SPEC);
    expect(await lab.mounts()).toHaveLength(1);
    await lab.addFault({ method: 'RemoveDatastore', action: 'drop', times: 1 });
    await expect(vsphere.removeDatastore(moref, SPEC.name)).rejects.toMatchObject({
      code: 'TargetUnavailable',
    });
    await vsphere.removeDatastore(moref, SPEC.name);
    expect(await lab.mounts()).toEqual([]);
  });

  test('one name for two exports, or two names for one, is a conflict', async () => {
    const { moref } = hosts[0]!;
    await vsphere.createNasDatastore(moref, SPEC);
    const otherPath = vsphere.createNasDatastore(moref, { ...SPEC, remotePath: '/other' });
    await expect(otherPath).rejects.toMatchObject({ code: 'DatastoreConflict' });
    const otherName = vsphere.createNasDatastore(moref, { ...SPEC, name: 'rundirect-two' });
    await expect(otherName).rejects.toMatchObject({ code: 'DatastoreConflict' });
    await vsphere.removeDatastore(moref, SPEC.name);
  });

  test('a datastore with a VM is in use until the VM is gone', async () => {
    const host = hosts[0]!;
    const made = await lab.createVm({ name: 'far' });
    await cp(made.folder, path.join(folder, 'far'), { recursive: true });
    await vsphere.unregisterVm(made.moref);
    await vsphere.createNasDatastore(host.moref, SPEC);
    const vm = await vsphere.registerVm({
      folder: host.datacenter.vmFolder,
      path: `[${SPEC.name}] far/far.vmx`,
      name: 'far',
      pool: host.computeResource.resourcePool,
      host: host.moref,
    });
    expect((await vsphere.readVm(vm))?.disks.map((each) => each.fileName)).toEqual([
      `[${SPEC.name}] far/far.vmdk`,
    ]);
    const inUse = vsphere.removeDatastore(host.moref, SPEC.name);
    await expect(inUse).rejects.toMatchObject({ code: 'ResourceInUse', fault: 'ResourceInUse' });
    await vsphere.unregisterVm(vm);
    await vsphere.removeDatastore(host.moref, SPEC.name);
    expect(await lab.mounts()).toEqual([]);
  });
});
