// How fast the vault backs up and serves: run `node bench/vault.ts [FOLDER]` on a quiet machine. About half a
// minute, and 1.5 GiB of memory. The disk is made up: a third holes, a third that compresses, a third noise.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BackupSet, ImageCache, initVault, openVault } from '../vault/index.ts';

const MIB = 1024 * 1024;
const DISK_MIB = 768;
const RUN_MS = 4_000;
const READ_BYTES = 4096;

function makeDisk(): Buffer {
  const disk = Buffer.alloc(DISK_MIB * MIB);
  const words = randomBytes(64).toString('base64');
  for (let at = 0; at < disk.byteLength; at += 3 * MIB) {
    randomBytes(MIB).copy(disk, at);
    for (let line = at + MIB; line < at + 2 * MIB; line += 128) {
      disk.write(`${line.toString(36)} ${words}`, line);
    }
  }
  return disk;
}

async function backUp(set: BackupSet, disk: Buffer): Promise<{ seconds: number; storedBytes: number }> {
  const startedMs = performance.now();
  const { storedBytes } = await set.backup([
    {
      vmName: 'bench',
      files: [],
      assertUnchanged: async () => undefined,
      disks: [
        {
          name: 'bench.vmdk',
          sizeBytes: disk.byteLength,
          read: async (offset, into) => into.set(disk.subarray(offset, offset + into.byteLength)),
        },
      ],
    },
  ]);
  return { seconds: (performance.now() - startedMs) / 1000, storedBytes };
}

/** Reads with `depth` in flight for RUN_MS; says how many reads a second were answered. */
async function readsPerSecond(depth: number, read: (turn: number) => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() - startedMs < RUN_MS) {
      await read(done);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: depth }, worker));
  return done / ((performance.now() - startedMs) / 1000);
}

const root = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'bench-vault-'));
try {
  const location = join(root, 'vault');
  await initVault(location);
  const set = await (await openVault(location)).createSet('bench', 'bench');
  const disk = makeDisk();
  for (const what of ['full', 'delta, nothing changed']) {
    const { seconds, storedBytes } = await backUp(set, disk);
    console.log(
      `${what}: ${(DISK_MIB / seconds).toFixed(0)} MiB/s, ${(storedBytes / MIB).toFixed(2)} MiB stored`,
    );
  }
  for (const depth of [1, 16]) {
    const vault = await openVault(location, { cache: new ImageCache() });
    const vm = await (await vault.openSetWithKey('bench', set.key)).openVm('latest', 'bench');
    const image = await vm.openImage('bench.vmdk');
    const random = await readsPerSecond(depth, async () => {
      const at = Math.floor((Math.random() * (disk.byteLength - READ_BYTES)) / 512) * 512;
      await image.read(at, Buffer.allocUnsafe(READ_BYTES));
    });
    const sequential = await readsPerSecond(depth, async (turn) =>
      image.read((turn % DISK_MIB) * MIB, Buffer.allocUnsafe(MIB)),
    );
    console.log(
      `${depth} in flight: random 4 KiB ${random.toFixed(0)} IOPS, sequential ${sequential.toFixed(0)} MiB/s`,
    );
    await vm.close();
  }
} finally {
  await rm(root, { recursive: true });
}
