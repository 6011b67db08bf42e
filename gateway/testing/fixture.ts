// What the gateway's tests share: a real vault with one small VM, a state folder, a gateway on loopback, and a
// file system over it that is called directly.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type BackupSource, initVault, openVault } from '../../vault/index.ts';
import { type PublishRequest } from '../control-api.ts';
import { type Gateway, startGateway } from '../start-gateway.ts';

export const DISK_BYTES = 3 * 1024 * 1024 + 512 * 7;
export const LOOPBACK = { address: '127.0.0.1', uid: 0, gid: 0 };
const silent = (): void => undefined;
export const silentLog = { info: silent, warn: silent, error: silent };

export interface TestSite extends AsyncDisposable {
  readonly root: string;
  readonly vault: string;
  readonly stateDirectory: string;
  readonly jobId: string;
  readonly setKey: string;
  /** What the VM's disk holds. */
  readonly disk: Buffer;
}

const VMX = `.encoding = "UTF-8"
displayName = "web01"
virtualHW.version = "13"
scsi0.present = "TRUE"
scsi0.virtualDev = "lsilogic"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "web01.vmdk"
nvram = "web01.nvram"
`;

const descriptor = (sizeBytes: number): string => `# Disk DescriptorFile
version=1
CID=1a2b3c4d
parentCID=ffffffff
createType="monolithicFlat"

RW ${sizeBytes / 512} FLAT "web01-flat.vmdk" 0

ddb.adapterType = "lsilogic"
`;

/** Bytes with pages of zeros between. */
function diskBytes(seed: string): Buffer {
  const disk = Buffer.alloc(DISK_BYTES);
  for (let at = 0; at < DISK_BYTES; at += 4096) {
    if ((at / 4096) % 3 === 2) continue;
    const page = createHash('shake256', { outputLength: 4096 }).update(`${seed} ${at}`).digest();
    page.copy(disk, at);
  }
  return disk;
}

interface TestVault {
  readonly path: string;
  readonly jobId: string;
  readonly setKey: string;
}

let made: Promise<TestVault> | undefined;

/** One vault per test file: deriving a key from a passphrase takes its time. Nobody writes into it. */
function testVault(): Promise<TestVault> {
  made ??= makeVault();
  return made;
}

afterAll(async () => {
  if (made !== undefined) await rm((await made).path, { recursive: true, force: true });
});

async function makeVault(): Promise<TestVault> {
  const path = await mkdtemp(join(tmpdir(), 'rdgw-vault-'));
  await initVault(path);
  const set = await (await openVault(path)).createSet('servers', 'correct horse');
  const { jobId } = await set.backup([backupSource(diskBytes('web01'))]);
  return { path, jobId, setKey: Buffer.from(set.key).toString('base64') };
}

/** A vault with the VM web01 in one job, and an empty state folder. */
export async function testSite(): Promise<TestSite> {
  const { path, jobId, setKey } = await testVault();
  const root = await mkdtemp(join(tmpdir(), 'rdgw-'));
  const stateDirectory = join(root, 'state');
  await mkdir(stateDirectory);
  return {
    root,
    vault: path,
    stateDirectory,
    jobId,
    setKey,
    disk: diskBytes('web01'),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

function backupSource(disk: Buffer): BackupSource {
  return {
    vmName: 'web01',
    disks: [
      {
        name: 'web01.vmdk',
        sizeBytes: disk.byteLength,
        async read(offsetBytes, into) {
          into.set(disk.subarray(offsetBytes, offsetBytes + into.byteLength));
        },
      },
    ],
    files: [
      { name: 'web01.vmx', bytes: Buffer.from(VMX) },
      { name: 'web01.vmdk', bytes: Buffer.from(descriptor(disk.byteLength)) },
      { name: 'web01.nvram', bytes: Buffer.from('nvram of web01') },
    ],
    assertUnchanged: async () => undefined,
  };
}

export function publishRequest(
  site: TestSite,
  sessionId: string,
  changes: Partial<PublishRequest> = {},
): PublishRequest {
  return {
    sessionId,
    targetId: 'esx1',
    allow: ['127.0.0.1'],
    source: {
      vault: site.vault,
      backupSet: 'servers',
      jobId: site.jobId,
      vmName: 'web01',
      setKey: site.setKey,
    },
    vmx: { displayName: 'web01-test', network: 'original' },
    reserveFactor: 1.5,
    ...changes,
  };
}

export function testGateway(site: TestSite): Promise<Gateway> {
  return startGateway({
    stateDirectory: site.stateDirectory,
    advertise: '127.0.0.1',
    host: '127.0.0.1',
    ports: { nfs: 0, mount: 0, portmap: 'off' },
    log: silentLog,
  });
}

/** Every file under a folder, with the SHA-256 of its content. */
export async function digests(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found[path] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  }
  return found;
}
