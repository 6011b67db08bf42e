// What an export and a vault hold, seen from outside: by libnfs, a foreign NFS client, and by size.
import { execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { sha256 } from '../../demo/file-digests.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { nfsUrl } from './foreign-client.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const run = promisify(execFile);
const MIB = 1024 * 1024;

afterEach(async () => {
  expect(await leftovers(suite.house.stack)).toEqual([]);
});

/** Overwrites a part of a disk, as a guest would have before it was shut down. */
async function overwrite(flat: string, offsetBytes: number, bytes: Uint8Array): Promise<void> {
  const file = await open(flat, 'r+');
  await file.write(bytes, 0, bytes.length, offsetBytes);
  await file.close();
}

async function flatOf(folder: string, of: RegExp = /-flat\.vmdk$/): Promise<string> {
  const name = (await readdir(folder)).find((file) => of.test(file));
  if (name === undefined) throw new Error(`${folder} has no ${String(of)}`);
  return path.join(folder, name);
}

test('libnfs reads the disk of each job as the VM had it then', async () => {
  const { house } = suite;
  const vm = await house.createVm('web01');
  const flat = await flatOf(vm.folder);
  const digests: string[] = [];
  const jobs: string[] = [];
  for (const change of ['first', 'second', 'third']) {
    await overwrite(flat, 20 * MIB + change.length * 4096, Buffer.from(change.repeat(1000)));
    digests.push(await sha256(flat));
    jobs.push((await house.backup('nightly', vm.folder)).jobId);
  }
  await vm.destroy();
  for (const [index, job] of jobs.entries()) {
    const session = await house.start('nightly', 'web01', '--job', job, '--no-power-on');
    const { stdout: listing } = await run('nfs-ls', [await nfsUrl(house, session.sessionId)]);
    expect(listing).toContain(path.basename(flat));
    const url = await nfsUrl(house, `${session.sessionId}/${path.basename(flat)}`);
    const { stdout: bytes } = await run('nfs-cat', [url], { encoding: 'buffer', maxBuffer: 1024 * MIB });
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(digests[index]);
    const copy = path.join(house.stack.folder, `copy-${job}.raw`);
    await run('nfs-cp', [url, copy]);
    expect(await sha256(copy)).toBe(digests[index]);
    await house.stop(session.sessionId);
  }
});

test('the next job of an unchanged 1 GiB disk stores less than 1 MiB', async () => {
  const { house } = suite;
  const vm = await house.createVm('large', { disks: [{ sizeMiB: 1024 }] });
  const large = await flatOf(vm.folder, /_1-flat\.vmdk$/);
  const file = await open(large, 'r+');
  const chunk = new Uint8Array(16 * MIB);
  for (let offset = 0; offset < 1024 * MIB; offset += chunk.length)
    await file.write(randomFillSync(chunk), 0, chunk.length, offset);
  await file.close();
  const full = await house.backup('large', vm.folder);
  expect(full.storedBytes).toBeGreaterThan(1024 * MIB);
  const next = await house.backup('large', vm.folder);
  expect(next.kind).toBe('delta');
  expect(next.storedBytes).toBeLessThan(MIB);
  await vm.destroy();
});
