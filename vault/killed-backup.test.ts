// A backup is killed for real, at many points: the jobs before it stay whole, no half job shows, and the next
// backup works and clears away what was left.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { initVault, openVault } from './index.ts';
import type { BackupSet } from './ports.ts';
import { diskOf } from './testing/backup-child.ts';
import { memorySource } from './testing/memory-source.ts';

const SIZE_MIB = 24;
const CHILD = join(import.meta.dirname, 'testing', 'backup-child.ts');

let root: string;
let location: string;
let set: BackupSet;
/** Seeds of the disks by job. */
const expected = new Map<string, number>();
const FIRST_SEED = 50;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vault-killed-'));
  location = join(root, 'vault');
  await initVault(location);
  set = await (await openVault(location)).createSet('office', 'correct horse');
  const disk = diskOf(SIZE_MIB, FIRST_SEED);
  const job = await set.backup([memorySource({ vmName: 'ledger', disks: { 'ledger.vmdk': disk } })]);
  expected.set(job.jobId, FIRST_SEED);
});
afterAll(async () => rm(root, { recursive: true }));

/** Runs the child until it has said `lines` lines, then kills it at once. */
async function killAfter(lines: number, seed: number): Promise<void> {
  const key = Buffer.from(set.key).toString('base64');
  const child = spawn(process.execPath, [CHILD, location, key, String(SIZE_MIB), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let seen = 0;
  createInterface({ input: child.stdout }).on('line', () => {
    seen += 1;
    if (seen === lines) child.kill('SIGKILL');
  });
  await ended;
  expect(seen).toBeGreaterThanOrEqual(lines);
}

async function everyFile(): Promise<string[]> {
  const entries = await readdir(join(location, 'sets'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

it('leaves earlier jobs whole, shows no half job, and lets the next one work', async () => {
  for (const [seed, lines] of [1, 2, 11, 23, 24, 25].entries()) {
    const before = (await set.jobs()).map(({ jobId }) => jobId);
    await killAfter(lines, 100 + seed);
    const after = (await set.jobs()).map(({ jobId }) => jobId);
    expect(after.slice(0, before.length)).toEqual(before);
    if (after.length > before.length) expected.set(after.at(-1)!, 100 + seed);

    const disk = diskOf(SIZE_MIB, seed);
    const job = await set.backup([memorySource({ vmName: 'ledger', disks: { 'ledger.vmdk': disk } })]);
    expected.set(job.jobId, seed);
    const files = await everyFile();
    expect(files.filter((name) => name.startsWith('.'))).toEqual([]);
    expect(files.filter((name) => name.endsWith('.blocks'))).toHaveLength(expected.size);
    expect(files.filter((name) => name.endsWith('.job'))).toHaveLength(expected.size);
  }
  for (const [jobId, seed] of expected) {
    const vm = await set.openVm(jobId, 'ledger');
    const image = await vm.openImage('ledger.vmdk');
    const into = Buffer.alloc(image.sizeBytes);
    await image.read(0, into);
    expect(into.equals(diskOf(SIZE_MIB, seed))).toBe(true);
    await vm.close();
  }
}, 60_000);
