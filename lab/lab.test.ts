// The lab against the project's own NFS server and vSphere client: a guest whose disk lies behind NFS, a server that
// goes away and comes back under it, and what hosts answer when something is in the way.
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NfsServer, startNfsServer } from '../nfs/index.ts';
import { FolderFileSystem } from '../nfs/testing/index.ts';
import { connect, type Host, type Vsphere } from '../vsphere/index.ts';
import { type Lab, startLab } from './lab.ts';

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
