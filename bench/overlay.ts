// What the overlay alone does, without NFS: writes that are durable when they count, and reads of what was written.
//
//   node bench/overlay.ts [FOLDER]     about 15 seconds; FOLDER is where the log goes (the disk that is measured)
//
// Compare ratios within one run: absolute figures move with the machine and its disk.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Overlay, openFolderStorage } from '../gateway/overlay/index.ts';

const SECONDS = 3;
const FILE_BYTES = 256 * 1024 * 1024;
const KIB = 1024;

interface Case {
  readonly name: string;
  readonly blockBytes: number;
  readonly depth: number;
  readonly run: (offsetBytes: number, block: Buffer) => unknown;
}

const folder = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'rundirect-bench-'));
const overlay = await Overlay.open({
  storage: await openFolderStorage(folder),
  key: randomBytes(32),
  quotaBytes: 8 * 1024 ** 3,
  base: () => Promise.reject(new Error('there is no image under the file')),
  onProblem: (error) => {
    throw error;
  },
});
const file = await overlay.names.create(overlay.root, 'disk', { how: 'guarded', attributes: {} });
const write: Case['run'] = (offsetBytes, block) => overlay.write(file, offsetBytes, block);
const read: Case['run'] = (offsetBytes, block) => overlay.read(file, offsetBytes, block.byteLength);

const cases: readonly Case[] = [
  { name: 'write 64 KiB', blockBytes: 64 * KIB, depth: 8, run: write },
  { name: 'write 4 KiB', blockBytes: 4 * KIB, depth: 32, run: write },
  { name: 'write 4 KiB', blockBytes: 4 * KIB, depth: 1, run: write },
  { name: 'read 4 KiB', blockBytes: 4 * KIB, depth: 32, run: read },
  { name: 'read 64 KiB', blockBytes: 64 * KIB, depth: 8, run: read },
];

/** `depth` requests at random offsets in flight for some seconds; answers how many were done per second. */
async function measure({ blockBytes, depth, run }: Case): Promise<number> {
  const block = randomBytes(blockBytes);
  const deadline = performance.now() + SECONDS * 1000;
  let done = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < deadline) {
      await run(Math.floor(Math.random() * (FILE_BYTES / blockBytes)) * blockBytes, block);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: depth }, one));
  return done / SECONDS;
}

try {
  for (const each of cases) {
    const perSecond = await measure(each);
    const mibPerSecond = (perSecond * each.blockBytes) / 1024 ** 2;
    console.log(
      `${each.name} at depth ${each.depth}: ${Math.round(perSecond)}/s, ${mibPerSecond.toFixed(1)} MiB/s`,
    );
  }
  await overlay.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
