// A job whose changes are known is what a whole reading of the disk would have made, costs what changed, and may
// build on any job of its set: whatever comes after it is right.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initVault, openVault } from './index.ts';
import type { BackupSet, ByteRange, KeptFrom } from './ports.ts';
import { changedSource } from './testing/changed-source.ts';
import { memorySource } from './testing/memory-source.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK = 64 * KIB;
const NAME = 'ledger.vmdk';
let root: string;
let made = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vault-changes-'));
});
afterAll(async () => rm(root, { recursive: true }));

async function newSet(): Promise<{ location: string; set: BackupSet }> {
  made += 1;
  const location = join(root, `vault-${made}`);
  await initVault(location);
  const vault = await openVault(location);
  return { location, set: await vault.createSet('office', 'correct horse') };
}

const vmOf = (disk: Uint8Array) => ({ vmName: 'ledger', disks: { [NAME]: disk } });
const whole = (disk: Uint8Array) => memorySource(vmOf(disk));
const partly = (disk: Uint8Array, base: string, ranges: readonly ByteRange[]) =>
  changedSource(vmOf(disk), base, { [NAME]: ranges });

const keptFrom = (baseJobId: string): KeptFrom => ({
  sessionId: 'ledger-1',
  baseJobId,
  at: '2026-01-31T12:00:00.000Z',
  keepId: randomUUID(),
});

async function contents(set: BackupSet, jobId: string): Promise<Buffer> {
  const vm = await set.openVm(jobId, 'ledger');
  const image = await vm.openImage(NAME);
  const into = Buffer.alloc(image.sizeBytes, 0xee);
  await image.read(0, into);
  await vm.close();
  return into;
}

async function expectWhole(set: BackupSet, jobId: string, disk: Buffer): Promise<void> {
  expect((await contents(set, jobId)).equals(disk)).toBe(true);
  expect(await set.verify(jobId)).toMatchObject({ passed: true });
}

/** Writes into a copy: stretches in units of 512 bytes; answers it and the ranges that hold all of them. */
function changed(
  disk: Buffer,
  writes: readonly { at: number; length: number; zeros: boolean }[],
): { disk: Buffer; ranges: ByteRange[] } {
  const copy = Buffer.from(disk);
  const ranges: ByteRange[] = [];
  for (const { at, length, zeros } of [...writes].sort((one, other) => one.at - other.at)) {
    const offsetBytes = Math.max(at * 512, ranges.at(-1) === undefined ? 0 : endOf(ranges.at(-1)));
    const end = Math.min(at * 512 + length * 512, copy.byteLength);
    if (end <= offsetBytes) continue;
    if (zeros) copy.fill(0, offsetBytes, end);
    else randomBytes(end - offsetBytes).copy(copy, offsetBytes);
    ranges.push({ offsetBytes, lengthBytes: end - offsetBytes });
  }
  return { disk: copy, ranges };
}

const endOf = (range: ByteRange | undefined): number => (range?.offsetBytes ?? 0) + (range?.lengthBytes ?? 0);

/** Noise and holes, of two leaves and a bit, so that leaves are kept, changed and new. */
function sparseDisk(sizeBytes: number): Buffer {
  const disk = Buffer.alloc(sizeBytes);
  for (let at = 0; at + BLOCK <= sizeBytes; at += 3 * MIB) randomBytes(BLOCK).copy(disk, at);
  return disk;
}

describe('a job whose changes are known', () => {
  it('is what reading the whole disk would have made, whatever was changed', async () => {
    const SIZE = 130 * MIB + 512 * 7;
    const { set } = await newSet();
    const first = sparseDisk(SIZE);
    const base = await set.backup([whole(first)]);
    const writes = fc.array(
      fc.record({
        at: fc.oneof(
          fc.nat({ max: SIZE / 512 }),
          fc.nat({ max: 2000 }).map((block) => block * 128),
        ),
        length: fc.integer({ min: 1, max: 5000 }),
        zeros: fc.boolean(),
      }),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(writes, async (each) => {
        const { disk, ranges } = changed(first, each);
        const source = partly(disk, base.jobId, ranges);
        const job = await set.backup([source]);
        await expectWhole(set, job.jobId, disk);
        const touched = new Set(
          ranges.flatMap((range) => {
            const from = Math.floor(range.offsetBytes / BLOCK);
            return Array.from({ length: Math.ceil(endOf(range) / BLOCK) - from }, (_, index) => from + index);
          }),
        );
        expect(source.readBytes()).toBeLessThanOrEqual(touched.size * BLOCK);
      }),
      { numRuns: 8 },
    );
    await expectWhole(set, base.jobId, first);
  }, 60_000);

  it('reads and stores what changed, however large the disk is', async () => {
    const { set } = await newSet();
    const first = sparseDisk(512 * MIB);
    const base = await set.backup([whole(first)]);
    const { disk, ranges } = changed(first, [{ at: 600_000, length: 8, zeros: false }]);
    const source = partly(disk, base.jobId, ranges);
    const seen: number[] = [];
    const job = await set.backup([source], {
      onProgress: ({ phase, doneBytes, totalBytes }) => {
        if (phase === 'reading') seen.push(doneBytes, totalBytes);
      },
    });
    expect(source.readBytes()).toBe(BLOCK);
    expect(seen.at(-2)).toBe(BLOCK);
    expect(job.storedBytes).toBeLessThan(BLOCK + 40 * KIB);
    expect(job.kind).toBe('delta');
    expect(await set.verify(job.jobId)).toMatchObject({ passed: true });
    // Nothing changed at all: a header and a footer.
    const same = await set.backup([partly(first, base.jobId, [])]);
    expect(same.vms[0]?.disks[0]?.storedBytes).toBeLessThan(200);
    await expectWhole(set, same.jobId, first);
  });

  it('builds on the job that it names, also when newer ones are there, and whatever follows is right', async () => {
    const { set } = await newSet();
    const first = sparseDisk(4 * MIB);
    const base = await set.backup([whole(first)]);
    const later = changed(first, [{ at: 0, length: 1000, zeros: false }]).disk;
    const newer = await set.backup([whole(later)]);
    const { disk, ranges } = changed(first, [{ at: 4000, length: 300, zeros: false }]);
    const kept = await set.backup([partly(disk, base.jobId, ranges)], { keptFrom: keptFrom(base.jobId) });
    await expectWhole(set, kept.jobId, disk);
    await expectWhole(set, newer.jobId, later);
    // Backups of what stands in production, of what the session became, and of neither.
    for (const next of [later, disk, first, changed(disk, [{ at: 9, length: 99, zeros: true }]).disk]) {
      const job = await set.backup([whole(next)]);
      expect(job.kind).toBe('delta');
      await expectWhole(set, job.jobId, next);
    }
    // And a second keep of the same session, of its own base.
    const again = changed(disk, [{ at: 100, length: 10, zeros: false }]);
    const union = [{ offsetBytes: 100 * 512, lengthBytes: 10 * 512 }, ...ranges];
    const second = await set.backup([partly(again.disk, base.jobId, union)]);
    await expectWhole(set, second.jobId, again.disk);
    await expectWhole(set, kept.jobId, disk);
  });

  it('takes a disk that has grown, and reads one that has shrunk or is new as a whole', async () => {
    const { set } = await newSet();
    const first = sparseDisk(2 * MIB + 512);
    const base = await set.backup([whole(first)]);
    const grown = Buffer.concat([first, Buffer.alloc(100 * MIB)]);
    randomBytes(4096).copy(grown, 90 * MIB);
    const ranges = [{ offsetBytes: 90 * MIB, lengthBytes: 4096 }];
    const large = partly(grown, base.jobId, ranges);
    await expectWhole(set, (await set.backup([large])).jobId, grown);
    expect(large.readBytes()).toBe(BLOCK);
    const shrunk = partly(first.subarray(0, MIB), base.jobId, []);
    const small = await set.backup([shrunk]);
    expect(small.kind).toBe('full');
    await expectWhole(set, small.jobId, first.subarray(0, MIB));
    const added = changedSource(
      { vmName: 'ledger', disks: { [NAME]: first, 'new.vmdk': grown.subarray(0, MIB) } },
      base.jobId,
      { [NAME]: [], 'new.vmdk': [] },
    );
    expect((await set.verify((await set.backup([added])).jobId)).passed).toBe(true);
    expect(added.readBytes()).toBe(MIB);
  });

  it('refuses a base that is not there, and changes that are in no order', async () => {
    const { set, location } = await newSet();
    const disk = sparseDisk(MIB);
    const { jobId } = await set.backup([whole(disk)]);
    const unknown = partly(disk, '000009-20260101T000000Z', []);
    await expect(set.backup([unknown])).rejects.toMatchObject({ code: 'BackupNotFound' });
    const mixed = partly(disk, jobId, [
      { offsetBytes: 4096, lengthBytes: 8192 },
      { offsetBytes: 8192, lengthBytes: 512 },
    ]);
    await expect(set.backup([mixed])).rejects.toMatchObject({ code: 'InvalidInput' });
    expect(await set.jobs()).toHaveLength(1);
    const blocks = (await readdir(location, { recursive: true })).filter((name) => name.endsWith('.blocks'));
    expect(blocks).toHaveLength(1);
  });
});

describe('a job that was kept from a session', () => {
  it('says so to whoever lists or opens it, and is made once', async () => {
    const { set, location } = await newSet();
    const disk = sparseDisk(MIB);
    const base = await set.backup([whole(disk)]);
    expect(base.keptFrom).toBeUndefined();
    const mark = keptFrom(base.jobId);
    const job = await set.backup([partly(disk, base.jobId, [])], { keptFrom: mark });
    // As after a worker that died between the job and its answer.
    const again = await set.backup([partly(disk, base.jobId, [])], { keptFrom: mark });
    expect(again.jobId).toBe(job.jobId);
    const [listed] = await (await openVault(location)).listSets();
    expect(listed?.jobs.map(({ keptFrom: from }) => from)).toEqual([undefined, mark]);
    expect((await set.openVm('latest', 'ledger')).keptFrom).toEqual(mark);
    expect((await set.openVm(base.jobId, 'ledger')).keptFrom).toBeUndefined();
    const other = await set.backup([partly(disk, base.jobId, [])], { keptFrom: keptFrom(base.jobId) });
    expect(other.jobId).not.toBe(job.jobId);
  });
});
