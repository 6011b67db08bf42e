// The NFS server's data path, measured by a libnfs client (bench/nfs/nfsbench.c) over loopback:
//   node bench/nfs.ts [SECONDS_PER_CELL]
// Two file systems: one in memory, which shows what the server itself costs, and a local folder in the page cache.
// Client and server share the machine, and absolute figures move by a factor of two on shared ones: compare rows of
// one run. Takes half a minute. Needs gcc and libnfs-dev (apt-get install gcc libc6-dev libnfs-dev).
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { type FileSystem, startNfsServer } from '../nfs/index.ts';
import { FolderFileSystem, MemoryFileSystem } from '../nfs/testing/index.ts';

const FILE_MIB = 256;
const DEFAULT_SECONDS = 2;
const MEBIBYTE = 1024 * 1024;

interface Cell {
  readonly pattern: 'randread' | 'seqread' | 'randwrite' | 'seqwrite';
  readonly blockBytes: number;
  readonly queueDepth: number;
}

interface Result {
  readonly iops: number;
  readonly mibPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
}

const CELLS: readonly Cell[] = [
  { pattern: 'randread', blockBytes: 4096, queueDepth: 1 },
  { pattern: 'randread', blockBytes: 4096, queueDepth: 32 },
  { pattern: 'seqread', blockBytes: 65536, queueDepth: 8 },
  { pattern: 'randwrite', blockBytes: 4096, queueDepth: 32 },
  { pattern: 'seqwrite', blockBytes: 65536, queueDepth: 8 },
];

const run = promisify(execFile);

async function measure<Node>(
  client: string,
  fileSystem: FileSystem<Node>,
  exportPath: string,
  seconds: number,
): Promise<Record<string, string>> {
  const ports = { nfs: 0, mount: 0, portmap: 'off' } as const;
  await using server = await startNfsServer({ fileSystem, host: '127.0.0.1', ports });
  const { nfs } = server.ports;
  const url = `nfs://127.0.0.1${exportPath}/file?version=3&nfsport=${nfs}&mountport=${nfs}`;
  const row: Record<string, string> = {};
  for (const { pattern, blockBytes, queueDepth } of CELLS) {
    const args = [url, blockBytes, queueDepth, seconds, pattern, FILE_MIB].map(String);
    const { stdout } = await run(client, args);
    const result = JSON.parse(stdout) as Result;
    const rate = blockBytes === 4096 ? `${result.iops} IOPS` : `${Math.round(result.mibPerSecond)} MiB/s`;
    row[`${pattern} ${blockBytes / 1024}K QD${queueDepth}`] = `${rate} (p99 ${result.p99Us} µs)`;
  }
  return row;
}

function memory(): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  const file = fileSystem.create(fileSystem.root, 'file', { how: 'unchecked', attributes: {} });
  fileSystem.setAttributes(file, { sizeBytes: FILE_MIB * MEBIBYTE }, undefined);
  return fileSystem;
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? DEFAULT_SECONDS);
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'nfsbench-'));
  try {
    const client = path.join(scratch, 'nfsbench');
    const source = path.join(import.meta.dirname, 'nfs', 'nfsbench.c');
    await run('cc', ['-O2', '-o', client, source, '-lnfs']);
    await writeFile(path.join(scratch, 'file'), Buffer.alloc(FILE_MIB * MEBIBYTE, 1));
    await using folder = new FolderFileSystem(scratch, '/folder');
    console.table({
      'in memory': await measure(client, memory(), '/memory', seconds),
      'local folder': await measure(client, folder, '/folder', seconds),
    });
  } finally {
    await rm(scratch, { recursive: true });
  }
}

await main();
