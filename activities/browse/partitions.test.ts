// Partition tables as sfdisk writes them, read again here: a foreign peer for both kinds, and what is no table at all.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { partitionsOf, type ReadDisk } from './partitions.ts';

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'partitions-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const readerOf =
  (file: string): ReadDisk =>
  async (offsetBytes, lengthBytes) => {
    await using disk = await open(file);
    const bytes = Buffer.alloc(lengthBytes);
    const { bytesRead } = await disk.read(bytes, 0, lengthBytes, offsetBytes);
    expect(bytesRead).toBe(lengthBytes);
    return bytes;
  };

/** A disk as sfdisk partitions it, and what sfdisk itself says of it. */
async function partitioned(name: string, script: string): Promise<{ file: string; told: unknown }> {
  const file = join(folder, name);
  await writeFile(file, '');
  await truncate(file, DISK_BYTES);
  await run('sfdisk', ['--quiet', file], script);
  const { partitiontable } = JSON.parse(await run('sfdisk', ['--json', file], '')) as {
    partitiontable: { partitions: { start: number; size: number; node: string; type: string }[] };
  };
  const told = partitiontable.partitions
    .filter(({ type }) => !['5', 'f'].includes(type))
    .map(({ start, size, node }) => ({
      number: Number(/\d+$/.exec(node)?.[0]),
      offsetBytes: start * 512,
      sizeBytes: size * 512,
    }));
  return { file, told };
}

function run(command: string, args: readonly string[], stdin: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
    const child = execFile(command, args, { env }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(new Error(`${command}: ${error.message}`)),
    );
    // Who only asks has an end without reading.
    child.stdin?.on('error', () => undefined).end(stdin);
  });
}

it.each([
  ['mbr', 'label: dos\n,10M,83\n,4M,c\n'],
  ['logical', 'label: dos\n,8M,83\n,40M,5\n,6M\n,7M\n,8M\n'],
  ['gpt', 'label: gpt\n,10M\n,20M\n,\n'],
])('reads a table of sfdisk: %s', async (name, script) => {
  const { file, told } = await partitioned(name, script);
  expect(told).not.toEqual([]);
  expect(await partitionsOf(readerOf(file), DISK_BYTES)).toEqual(told);
});

it('finds none where there is no table, and does not trust one that lies', async () => {
  const file = join(folder, 'random');
  await writeFile(file, randomBytes(MIB));
  await expect(partitionsOf(readerOf(file), MIB)).resolves.toBeInstanceOf(Array);
  const { file: cut } = await partitioned('cut', 'label: gpt\n,10M\n,20M\n,\n');
  expect(await partitionsOf(readerOf(cut), 16 * MIB)).toHaveLength(1);
  const empty = join(folder, 'empty');
  await writeFile(empty, Buffer.alloc(MIB));
  expect(await partitionsOf(readerOf(empty), MIB)).toEqual([]);
  expect(await partitionsOf(readerOf(empty), 512)).toEqual([]);
});

it('follows no chain of logical partitions for ever', async () => {
  const { file } = await partitioned('loop', 'label: dos\n,8M,83\n,40M,5\n,6M\n,7M\n');
  const read = readerOf(file);
  // Every table of the chain says that the next one is itself.
  const looping: ReadDisk = async (offsetBytes, lengthBytes) => {
    const bytes = await read(offsetBytes === 0 ? 0 : 9 * MIB, lengthBytes);
    if (offsetBytes !== 0) bytes.writeUInt32LE(0, 446 + 16 + 8);
    return bytes;
  };
  expect((await partitionsOf(looping, DISK_BYTES)).length).toBeLessThan(100);
});
