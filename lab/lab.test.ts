// The lab against the project's own NFS server and vSphere client: a guest whose disk lies behind NFS, a server that
// goes away and comes back under it, and what hosts answer when something is in the way.
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NfsServer, startNfsServer } from '../nfs/index.ts';
import { FolderFileSystem } from '../nfs/testing/index.ts';
import { connect, type Host, type Vsphere } from '../vsphere/index.ts';
import { type Lab, startDetachedLab, startLab } from './lab.ts';

const PREPARE_LIMIT_MS = 15 * 60_000;
const GUEST_TEST_LIMIT_MS = 120_000;
const EXPORT = '/export';

let folder: string;
let fileSystem: FolderFileSystem;
let server: NfsServer;
let ports: { readonly nfs: number; readonly mount: number };
let lab: Lab;
let vsphere: Vsphere;
let host: Host;

const serve = async (): Promise<NfsServer> =>
  startNfsServer({ fileSystem, host: '127.0.0.1', ports: { ...ports, portmap: 'off' } });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lab-export-'));
  fileSystem = new FolderFileSystem(folder, EXPORT);
  ports = { nfs: 0, mount: 0 };
  server = await serve();
  ports = { nfs: server.ports.nfs, mount: server.ports.mount };
  lab = await startLab({ model: 'esx', nfsPort: ports.nfs, mountPort: ports.mount });
  vsphere = await connect(lab);
  const { hosts } = await vsphere.inventory();
  host = hosts[0]!;
}, PREPARE_LIMIT_MS);

afterAll(async () => {
  await vsphere[Symbol.asyncDispose]();
  await lab.close();
  await server[Symbol.asyncDispose]();
  await fileSystem[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test('a host mounts from where its inventory says', () => {
  expect(host.vmknicAddresses).toContain('127.0.0.1');
});

test(
  'a guest runs from NFS, through a restart of the server, and keeps what it acknowledged',
  async () => {
    const made = await lab.createVm({ name: 'far' });
    await cp(made.folder, path.join(folder, 'far'), { recursive: true });
    await vsphere.unregisterVm(made.moref);
    const datastore = await vsphere.createNasDatastore(host.moref, {
      name: 'backup',
      remoteHost: '127.0.0.1',
      remotePath: EXPORT,
    });
    const [root] = [(await vsphere.inventory()).folders.find((each) => each.path === '')];
    const vm = await vsphere.registerVm({
      folder: root!.moref,
      path: '[backup] far/far.vmx',
      name: 'far',
      pool: host.computeResource.resourcePool,
      host: host.moref,
    });
    await vsphere.powerOnVm(vm, { movedOrCopied: 'moved' });
    const guest = lab.guest(vm);
    expect(await guest.ready()).toBe(1);
    expect(await readdir(path.join(folder, 'far'))).toContain('far.vmx.lck');
    await guest.command('LOG 50');
    await server[Symbol.asyncDispose]();
    const written = guest.command('WRITE across the restart');
    server = await serve();
    expect(await written).toBe('OK 1');
    const acknowledged = Number((await guest.command('UNLOG')).split(' ')[1]);
    expect(acknowledged).toBeGreaterThan(0);
    const log = Buffer.from((await guest.command('READLOG')).slice('DATA '.length), 'base64').toString(
      'utf8',
    );
    expect(log.trim().split('\n').length).toBeGreaterThanOrEqual(acknowledged);
    await vsphere.powerOffVm(vm);
    expect(await readFile(path.join(folder, 'far', 'far.vmx'), 'utf8')).toContain('uuid.location');
    await vsphere.unregisterVm(vm);
    await vsphere.removeDatastore(host.moref, datastore);
    expect(await lab.mounts()).toEqual([]);
  },
  GUEST_TEST_LIMIT_MS,
);

test('what is in the way of a mount has its fault', async () => {
  const spec = { name: 'nas', remoteHost: '127.0.0.1', remotePath: EXPORT };
  await expect(
    vsphere.createNasDatastore(host.moref, { ...spec, remotePath: '/no/such/export' }),
  ).rejects.toThrow(/mountstat3 2/);
  await expect(vsphere.createNasDatastore(host.moref, { ...spec, name: 'datastore1' })).rejects.toThrow();
  const datastore = await vsphere.createNasDatastore(host.moref, spec);
  const { datastores } = await vsphere.inventory();
  const found = datastores.find(({ moref }) => moref === datastore);
  expect(found).toMatchObject({
    type: 'NFS',
    nas: { remoteHost: '127.0.0.1', remotePath: EXPORT },
    accessible: true,
  });
  expect(found!.freeBytes).toBeLessThanOrEqual(found!.capacityBytes);
  await expect(vsphere.createNasDatastore(host.moref, { ...spec, name: 'other' })).rejects.toThrow();
  const made = await lab.createVm({ name: 'here' });
  await cp(made.folder, path.join(folder, 'here'), { recursive: true });
  const [root] = [(await vsphere.inventory()).folders.find((each) => each.path === '')];
  const vm = await vsphere.registerVm({
    ...{ folder: root!.moref, path: '[nas] here/here.vmx', name: 'there', host: host.moref },
    pool: host.computeResource.resourcePool,
  });
  const calls = (await lab.methodLog()).filter(({ method }) => method === 'RemoveDatastore').length;
  await expect(
    vsphere.removeDatastore(host.moref, datastore, { signal: AbortSignal.timeout(1500) }),
  ).rejects.toThrow();
  const refused = (await lab.methodLog()).filter(({ method }) => method === 'RemoveDatastore').slice(calls);
  expect(refused[0]?.fault).toBe('ResourceInUse');
  await vsphere.unregisterVm(vm);
  await vsphere.unregisterVm(made.moref);
  await vsphere.removeDatastore(host.moref, datastore);
  expect((await vsphere.inventory()).datastores.map(({ name }) => name).sort()).toEqual([
    'datastore1',
    'datastore2',
    'vsan1',
    'vsan2',
  ]);
});

test(
  'two hosts of a vCenter share one Datastore, and a lab that was killed leaves nothing to the next',
  async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'lab-'));
    const options = { model: 'vcenter', directory, nfsPort: ports.nfs, mountPort: ports.mount } as const;
    const killed = await startDetachedLab(options);
    const client = await connect(killed);
    const { hosts } = await client.inventory();
    expect(hosts).toHaveLength(2);
    const spec = { name: 'shared', remoteHost: '127.0.0.1', remotePath: EXPORT };
    const morefs = [];
    for (const each of hosts) morefs.push(await client.createNasDatastore(each.moref, spec));
    expect(morefs[1]).toBe(morefs[0]);
    expect(await killed.mounts()).toHaveLength(2);
    await client.removeDatastore(hosts[0]!.moref, morefs[0]!);
    const left = (await client.inventory()).datastores.find(({ name }) => name === 'shared');
    expect(left?.hosts).toEqual([hosts[1]!.moref]);
    const vm = await killed.createVm({ name: 'orphan' });
    await client.powerOnVm(vm.moref, { movedOrCopied: 'moved' });
    const { qemu } = (await killed.vms())[0]!;

    process.kill(killed.pid, 'SIGKILL');
    await expect.poll(() => isAlive(qemu!), { timeout: 10_000 }).toBe(false);
    await Promise.allSettled([client[Symbol.asyncDispose]()]);
    const next = await startLab(options);
    expect(await next.mounts()).toEqual([]);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(directory);
    await next.close();
    await rm(directory, { recursive: true });
  },
  GUEST_TEST_LIMIT_MS,
);

test(
  'a guest moves from NFS to production while it writes, and nothing of it is left at the source',
  async () => {
    await using vcenter = await startLab({ model: 'vcenter', nfsPort: ports.nfs, mountPort: ports.mount });
    await using client = await connect(vcenter);
    const made = await vcenter.createVm({ name: 'mover', disks: [{ sizeMiB: 8 }] });
    await cp(made.folder, path.join(folder, 'mover'), { recursive: true });
    await client.unregisterVm(made.moref);
    const { hosts, folders } = await client.inventory();
    const [source, other] = hosts;
    const spec = { name: 'backup', remoteHost: '127.0.0.1', remotePath: EXPORT };
    const backup = await client.createNasDatastore(source!.moref, spec);
    const vm = await client.registerVm({
      ...{ folder: folders.find((each) => each.path === '')!.moref, path: '[backup] mover/mover.vmx' },
      ...{ name: 'mover', pool: source!.computeResource.resourcePool, host: source!.moref },
    });
    await client.powerOnVm(vm, { movedOrCopied: 'moved' });
    const guest = vcenter.guest(vm);
    await guest.ready();
    await guest.command('LOG 20');
    const moved = await vcenter.relocateVm(vm, 'datastore2', other!.moref);
    expect(moved).toMatchObject({ path: '[datastore2] mover/mover.vmx', host: other!.name });
    expect(await readdir(folder)).not.toContain('mover');
    await guest.command('UNLOG');
    const acknowledged = await guest.logged();
    const data = (await guest.command('READLOG')).slice('DATA '.length);
    const lines = new Set(Buffer.from(data, 'base64').toString('utf8').trim().split('\n').map(Number));
    expect(acknowledged.filter((line) => !lines.has(line))).toEqual([]);
    expect(await guest.command('BOOTS')).toBe('BOOTS 1');
    await client.removeDatastore(source!.moref, backup);
    expect(await vcenter.mounts()).toEqual([]);
    expect(await guest.command('WRITE from production alone')).toBe('OK 1');
    await vcenter.power(vm, 'off');
  },
  GUEST_TEST_LIMIT_MS,
);

async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
}
