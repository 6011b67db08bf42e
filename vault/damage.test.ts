// A small vault is damaged all over, most densely where its fixed parts are: nobody may ever be given wrong data, and what can't be had any
// more must be told by the right error.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageCache, initVault, openVault, VaultError } from './index.ts';
import type { BackupSet } from './ports.ts';
import { memorySource } from './testing/memory-source.ts';

const BLOCK = 64 * 1024;
const FILES = [{ name: 'ledger.vmx', bytes: Buffer.from('displayName = "ledger"\n'.repeat(20)) }];
const DETECTED = new Set(['BlockCorrupt', 'ChainBroken', 'FormatUnsupported', 'KeyRejected', 'NotAVault']);

interface MadeJob {
  readonly jobId: string;
  readonly disk: Buffer;
  /** The block file that this job wrote, and its manifest. */
  readonly blocks: string;
  readonly manifest: string;
}

let root: string;
let location: string;
let key: Uint8Array;
const jobs: MadeJob[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vault-damage-'));
  location = join(root, 'vault');
  await initVault(location);
  const set = await (await openVault(location)).createSet('office', 'correct horse');
  key = set.key;
  const disk = Buffer.alloc(12 * BLOCK);
  disk.fill('invoices and ledgers ', 0, 3 * BLOCK);
  for (const at of [1, 2, 7]) {
    disk.fill(`changed in step ${at} `, at * BLOCK + 100, at * BLOCK + 9000);
    const seen = await blockFiles();
    const { jobId } = await set.backup([
      memorySource({ vmName: 'ledger', disks: { 'ledger.vmdk': disk }, files: FILES }),
    ]);
    const blocks = (await blockFiles()).find((name) => !seen.includes(name))!;
    const manifest = join(location, 'sets/office/jobs', `${jobId.slice(0, 6)}.job`);
    jobs.push({ jobId, disk: Buffer.from(disk), blocks, manifest });
  }
});
afterAll(async () => rm(root, { recursive: true }));

async function blockFiles(): Promise<string[]> {
  const folder = join(location, 'sets/office/blocks');
  const names = await readdir(folder).catch(() => []);
  return names.map((name) => join(folder, name)).sort();
}

async function openSet(): Promise<BackupSet> {
  const vault = await openVault(location, { cache: new ImageCache() });
  return vault.openSetWithKey('office', key);
}

/** What a user gets of a job: 'right', or the code of the error. Wrong data fails the test. */
async function outcomeOf(job: MadeJob): Promise<string> {
  try {
    const set = await openSet();
    const vm = await set.openVm(job.jobId, 'ledger');
    try {
      const image = await vm.openImage('ledger.vmdk');
      const into = Buffer.alloc(image.sizeBytes, 0xee);
      await image.read(0, into);
      expect(into.equals(job.disk)).toBe(true);
      expect(vm.files).toEqual(FILES);
    } finally {
      await vm.close();
    }
    return 'right';
  } catch (error) {
    if (error instanceof VaultError) return error.code;
    throw error;
  }
}

async function verifyOutcome(job: MadeJob): Promise<string> {
  try {
    const report = await (await openSet()).verify(job.jobId);
    return report.passed ? 'passed' : 'findings';
  } catch (error) {
    if (error instanceof VaultError) return error.code;
    throw error;
  }
}

async function withDamage<T>(path: string, damaged: Uint8Array, look: () => Promise<T>): Promise<T> {
  const whole = await readFile(path);
  await writeFile(path, damaged);
  try {
    return await look();
  } finally {
    await writeFile(path, whole);
  }
}

/** Where a file of `length` bytes is damaged. */
function positions(length: number): number[] {
  const all = Array.from({ length }, (_, at) => at);
  return all.filter((at) => at % (at < 80 || at >= length - 80 ? 5 : 47) === 0);
}

function flipped(whole: Buffer, at: number): Buffer {
  const copy = Buffer.from(whole);
  copy[at]! ^= 1 << (at % 8);
  return copy;
}

describe('a flipped bit', () => {
  it('anywhere in a block file is found by verify, and never served', async () => {
    for (const job of jobs) {
      const whole = await readFile(job.blocks);
      expect(whole.byteLength).toBeLessThan(4096);
      for (const at of positions(whole.byteLength)) {
        await withDamage(job.blocks, flipped(whole, at), async () => {
          const verified = await verifyOutcome(job);
          expect(verified === 'findings' || DETECTED.has(verified), `byte ${at}: ${verified}`).toBe(true);
          if (at % 2 !== 0) return;
          const read = await outcomeOf(job);
          expect(read === 'right' || read === 'BlockCorrupt' || read === 'FormatUnsupported', read).toBe(
            true,
          );
        });
      }
    }
  }, 60_000);

  it('anywhere in a manifest is told when the job is opened', async () => {
    for (const job of jobs.slice(0, 2)) {
      const whole = await readFile(job.manifest);
      for (const at of positions(whole.byteLength)) {
        const outcome = await withDamage(job.manifest, flipped(whole, at), async () => outcomeOf(job));
        expect(['BlockCorrupt', 'FormatUnsupported', 'BackupNotFound'], `byte ${at}`).toContain(outcome);
      }
    }
  });

  it('in the marker or the key file is told, or harmless', async () => {
    for (const path of [join(location, 'vault.json'), join(location, 'sets/office/key.json')]) {
      const whole = await readFile(path);
      for (const at of positions(whole.byteLength)) {
        const outcome = await withDamage(path, flipped(whole, at), async () => outcomeOf(jobs[2]!));
        expect(outcome === 'right' || DETECTED.has(outcome), `byte ${at}: ${outcome}`).toBe(true);
      }
    }
  });

  it('in a wrapped key is a passphrase that does not open', async () => {
    const path = join(location, 'sets/office/key.json');
    const text = await readFile(path, 'utf8');
    const keyFile = JSON.parse(text) as { wrapped: { key: string } };
    const wrapped = flipped(Buffer.from(keyFile.wrapped.key, 'base64'), 5);
    const damaged = text.replace(keyFile.wrapped.key, wrapped.toString('base64'));
    await withDamage(path, Buffer.from(damaged), async () => {
      const vault = await openVault(location);
      await expect(vault.unlockSet('office', 'correct horse')).rejects.toMatchObject({ code: 'KeyRejected' });
    });
  });

  it('in a block names file, disk, block and bytes', async () => {
    const job = jobs[0]!;
    const whole = await readFile(job.blocks);
    await withDamage(job.blocks, flipped(whole, 70), async () => {
      const report = await (await openSet()).verify(job.jobId, 'ledger');
      expect(report.findings[0]).toContain(`sets/office/blocks/${basename(job.blocks)}`);
      expect(report.findings[0]).toContain('block 0 (bytes 0–65535) of disk ledger.vmdk of ledger');
      expect(report.checkedBytes).toBe(report.totalBytes);
    });
  });
});

describe('a file of another length', () => {
  it('is told when the VM is opened: cut short anywhere, longer, or missing', async () => {
    for (const job of jobs) {
      for (const [path, codes] of [
        [job.blocks, ['ChainBroken']],
        [job.manifest, ['BlockCorrupt']],
      ] as const) {
        const whole = await readFile(path);
        const lengths = Array.from({ length: 12 }, (_, i) => Math.floor((whole.byteLength * i) / 12));
        for (const length of [...lengths, whole.byteLength - 1]) {
          expect(codes, `${length}`).toContain(
            await withDamage(path, whole.subarray(0, length), async () => outcomeOf(job)),
          );
        }
        expect(codes).toContain(
          await withDamage(path, Buffer.concat([whole, Buffer.from([0])]), async () => outcomeOf(job)),
        );
      }
    }
  });

  it('breaks every later job of the chain and no earlier one', async () => {
    const path = jobs[1]!.blocks;
    await rename(path, `${path}.away`);
    expect(await outcomeOf(jobs[0]!)).toBe('right');
    expect(await outcomeOf(jobs[1]!)).toBe('ChainBroken');
    expect(await outcomeOf(jobs[2]!)).toBe('ChainBroken');
    await rename(`${path}.away`, path);
    expect(await outcomeOf(jobs[2]!)).toBe('right');
  });

  it('while an image is open stops the read with an error', async () => {
    const set = await openSet();
    const vm = await set.openVm(jobs[0]!.jobId, 'ledger');
    const image = await vm.openImage('ledger.vmdk');
    const whole = await readFile(jobs[0]!.blocks);
    await truncate(jobs[0]!.blocks, 70);
    await expect(image.read(0, Buffer.alloc(BLOCK))).rejects.toMatchObject({ code: 'BlockCorrupt' });
    await writeFile(jobs[0]!.blocks, whole);
    await vm.close();
  });
});

describe('files that were swapped', () => {
  it('are refused, although each is authentic', async () => {
    const set = await (await openVault(location)).createSet('twins', 'x');
    const disk = randomBytes(2 * BLOCK);
    const vm = (vmName: string) => memorySource({ vmName, disks: { 'disk.vmdk': disk } });
    const { jobId } = await set.backup([vm('a'), vm('b')]);
    const folder = join(location, 'sets/twins/blocks');
    const [one, other] = (await readdir(folder)).map((name) => join(folder, name));
    await copyFile(one!, other!);
    const opened = await Promise.allSettled(
      ['a', 'b'].map(async (name) => {
        const opened = await set.openVm(jobId, name);
        await opened.openImage('disk.vmdk').finally(async () => opened.close());
      }),
    );
    expect(opened.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect((await set.verify(jobId)).passed).toBe(false);
  });

  it('are told among manifests, too', async () => {
    const [first, second] = [jobs[0]!, jobs[1]!];
    const one = await readFile(first.manifest);
    const outcome = await withDamage(second.manifest, one, async () => outcomeOf(second));
    expect(outcome).toBe('BlockCorrupt');
  });
});

describe('a damaged newest job', () => {
  it('is told by the next backup, which builds on the one before it', async () => {
    const set = await (await openVault(location)).createSet('workshop', 'x');
    const disk = Buffer.alloc(4 * BLOCK, 'a');
    const source = () => memorySource({ vmName: 'saw', disks: { 'saw.vmdk': disk }, files: FILES });
    await set.backup([source()]);
    const newest = await set.backup([source()]);
    expect(newest.kind).toBe('delta');
    const manifest = `sets/workshop/jobs/${newest.jobId.slice(0, 6)}.job`;
    await truncate(join(location, manifest), 100);
    const told: string[] = [];
    const next = await set.backup([source()], { onDamage: (damage) => told.push(damage) });
    expect(told).toEqual([expect.stringContaining(manifest)]);
    expect(next.kind).toBe('delta');
    expect((await set.verify(next.jobId)).passed).toBe(true);
  });
});

describe('a damaged job in the list', () => {
  it('is named, and hides no other', async () => {
    const job = jobs[1]!;
    await withDamage(job.manifest, Buffer.from('garbage'), async () => {
      const office = (await (await openVault(location)).listSets()).find(({ name }) => name === 'office')!;
      expect(office.jobs.map(({ jobId }) => jobId)).toEqual([jobs[0]!.jobId, jobs[2]!.jobId]);
      expect(office.damaged).toEqual([expect.stringContaining('sets/office/jobs/000002.job')]);
    });
  });
});

describe('verify', () => {
  it('goes on where it was interrupted', async () => {
    const set = await openSet();
    const stop = new AbortController();
    const big = await (await openVault(location)).createSet('big', 'x');
    const { jobId } = await big.backup([
      memorySource({
        vmName: 'v',
        disks: { 'a.vmdk': randomBytes(100 * BLOCK), 'b.vmdk': randomBytes(150 * BLOCK) },
      }),
    ]);
    let cursor:
      | Parameters<NonNullable<NonNullable<Parameters<BackupSet['verify']>[2]>['onProgress']>>[0]
      | undefined;
    const interrupted = big.verify(jobId, 'v', {
      signal: stop.signal,
      onProgress: (progress) => {
        cursor = progress;
        if (progress.checkedBytes > 120 * BLOCK) stop.abort(new Error('stop'));
      },
    });
    await expect(interrupted).rejects.toThrow('stop');
    expect(cursor).toMatchObject({ cursor: { vmName: 'v', diskName: 'b.vmdk', blockNumber: 64 } });
    const rest = await big.verify(jobId, 'v', { resumeFrom: cursor!.cursor });
    expect(rest).toMatchObject({ passed: true, checkedBytes: 250 * BLOCK, totalBytes: 250 * BLOCK });
    await expect(
      set.verify(jobs[0]!.jobId, 'ledger', { resumeFrom: { vmName: 'x', diskName: 'y', blockNumber: 0 } }),
    ).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(set.verify(jobs[0]!.jobId, 'nobody')).rejects.toMatchObject({ code: 'BackupNotFound' });
  });
});
