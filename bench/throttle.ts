// What holding a copy back does: how near its rate comes to the one that was asked for, and how long another session's
// reads take beside it, while it is held back, and while it is paused.
//   node bench/throttle.ts [SECONDS_PER_ROW]
// A gateway on loopback, a VM of 256 MiB in a vault, two sessions of it; the client is bench/nfs/nfsbench.c on libnfs.
// Compare rows of one run. About half a minute. Needs gcc and libnfs-dev.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { GatewayClient, startGateway } from '../gateway/index.ts';
import { initVault, openVault } from '../vault/index.ts';

const MIB = 1024 * 1024;
const DISK_MIB = 256;
const DEFAULT_SECONDS = 4;
const DISK = 'bench.vmdk';
const FLAT = 'bench-flat.vmdk';
const VMX = `displayName = "bench"\nscsi0.present = "TRUE"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "${DISK}"\n`;
const DESCRIPTOR = `# Disk DescriptorFile
version=1
CID=1a2b3c4d
parentCID=ffffffff
createType="monolithicFlat"
RW ${(DISK_MIB * MIB) / 512} FLAT "${FLAT}" 0
ddb.adapterType = "lsilogic"
`;

interface Result {
  readonly mibPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const run = promisify(execFile);

async function makeBackup(vault: string): Promise<{ readonly jobId: string; readonly setKey: string }> {
  await initVault(vault);
  const set = await (await openVault(vault)).createSet('bench', 'bench');
  const noise = randomBytes(MIB);
  const { jobId } = await set.backup([
    {
      vmName: 'bench',
      disks: [
        {
          name: DISK,
          sizeBytes: DISK_MIB * MIB,
          read: async (_, into) => into.set(noise.subarray(0, into.byteLength)),
        },
      ],
      files: [
        { name: 'bench.vmx', bytes: Buffer.from(VMX) },
        { name: DISK, bytes: Buffer.from(DESCRIPTOR) },
      ],
      assertUnchanged: async () => undefined,
    },
  ]);
  return { jobId, setKey: Buffer.from(set.key).toString('base64') };
}

const seconds = Number(process.argv[2] ?? DEFAULT_SECONDS);
const scratch = await mkdtemp(path.join(os.tmpdir(), 'bench-throttle-'));
try {
  const client = path.join(scratch, 'nfsbench');
  await run('cc', ['-O2', '-o', client, path.join(import.meta.dirname, 'nfs', 'nfsbench.c'), '-lnfs']);
  const vault = path.join(scratch, 'vault');
  const { jobId, setKey } = await makeBackup(vault);
  const silent = (): void => undefined;
  await using gateway = await startGateway({
    stateDirectory: path.join(scratch, 'state'),
    advertise: '127.0.0.1',
    host: '127.0.0.1',
    ports: { nfs: 0, mount: 0, portmap: 'off' },
    log: { info: silent, warn: silent, error: silent },
  });
  const control = new GatewayClient(gateway.controlSocketPath);
  for (const sessionId of ['copy', 'guest']) {
    await control.publish({
      ...{ sessionId, targetId: 'bench', allow: ['127.0.0.1'], reserveFactor: 1 },
      source: { vault, backupSet: 'bench', jobId, vmName: 'bench', setKey },
      vmx: { displayName: 'bench', network: 'original' },
    });
  }
  const load = async (session: string, ...words: (string | number)[]): Promise<Result> => {
    const { nfs, mount } = gateway.ports;
    const url = `nfs://127.0.0.1/rundirect/bench/${session}/${FLAT}?version=3&nfsport=${nfs}&mountport=${mount}`;
    const { stdout } = await run(client, [url, ...words.map(String), String(DISK_MIB)]);
    return JSON.parse(stdout) as Result;
  };
  const guest = () => load('guest', 4096, 1, seconds, 'randread');
  const copy = () => load('copy', 65536, 8, seconds, 'seqread');
  const us = ({ p50Us, p99Us }: Result): string => `p50 ${p50Us} µs, p99 ${p99Us} µs`;
  // Both are read once, so that no row pays for what comes from the disk.
  await Promise.all([copy(), guest()]);

  const rows: Record<string, Record<string, string>> = {
    'no copy': { 'the other’s reads': us(await guest()) },
  };
  const row = (name: string, copied: Result, other: Result, limitMib?: number): void => {
    const share = limitMib === undefined ? '' : (copied.mibPerSecond / limitMib).toFixed(3);
    const rate = `${copied.mibPerSecond.toFixed(1)} MiB/s`;
    rows[name] = { copied: rate, 'of what was asked': share, 'the other’s reads': us(other) };
  };
  row('not held back', ...(await Promise.all([copy(), guest()])));
  for (const limitMib of [1, 8, 32, 64]) {
    await control.limitReads('copy', limitMib * MIB);
    row(`at most ${limitMib} MiB/s`, ...(await Promise.all([copy(), guest()])), limitMib);
  }
  await control.limitReads('copy', 0);
  // Its client gives up at the first call that it is to repeat.
  const paused = copy().catch(() => undefined);
  rows['paused'] = { copied: '0 MiB/s', 'the other’s reads': us(await guest()) };
  await paused;
  console.table(rows);
} finally {
  await rm(scratch, { recursive: true });
}
