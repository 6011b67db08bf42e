// A view of one moment holds what a model in memory held then, whatever is written, cut, removed, compacted or
// checkpointed meanwhile; it says where that differs from the image; and it goes before a write is refused.
import { cp, readdir } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FrozenView } from './frozen-view.ts';
import { PAGE_BYTES } from './limits.ts';
import { type Overlay } from './overlay.ts';
import { MIB, memoryBase, openTestOverlay, patternBytes, testFolder, testKey } from './testing/fixture.ts';

const GRAIN_BYTES = 16 * PAGE_BYTES;
const DISKS = ['one', 'two'] as const;
/** More than one chunk of a page table, and no multiple of a page. */
const BASE_BYTES = 3 * MIB + 512;
const images = { one: patternBytes('one', BASE_BYTES), two: patternBytes('two', BASE_BYTES) };
const base = memoryBase(images);

type DiskName = (typeof DISKS)[number];
type Step =
  | { do: 'write'; disk: DiskName; at: number; length: number; zeros: boolean }
  | { do: 'truncate'; disk: DiskName; size: number }
  | { do: 'remove'; disk: DiskName }
  | { do: 'compact' | 'checkpoint' | 'settle' };

const disk = fc.constantFrom(...DISKS);
const page = fc.nat({ max: Math.floor(BASE_BYTES / PAGE_BYTES) + 40 });
const offset = fc.oneof(
  page.map((number) => number * PAGE_BYTES),
  fc.nat({ max: BASE_BYTES + 70_000 }),
);
const length = fc.oneof(
  fc.integer({ min: 1, max: 20 }).map((pages) => pages * PAGE_BYTES),
  fc.integer({ min: 1, max: 3 * PAGE_BYTES }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      disk,
      at: offset,
      length,
      zeros: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), disk, size: offset }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), disk }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('compact' as const, 'checkpoint' as const, 'settle' as const),
    }),
  },
);

/** Makes each write's bytes its own. */
let writes = 0;

type Model = Map<DiskName, Buffer>;

/** Does a step to the overlay and the model; what is durable later goes into `pending`. */
async function take(overlay: Overlay, model: Model, step: Step, pending: Promise<unknown>[]): Promise<void> {
  const settle = async (): Promise<void> => {
    await Promise.all(pending.splice(0));
  };
  if (step.do === 'write') {
    const inode = overlay.names.find(overlay.root, step.disk);
    if (inode === undefined) return;
    const bytes = step.zeros ? Buffer.alloc(step.length) : Buffer.alloc(step.length, `${(writes += 1)} `);
    const old = model.get(step.disk) ?? Buffer.alloc(0);
    const grown = Buffer.alloc(Math.max(old.byteLength, step.at + step.length));
    old.copy(grown);
    bytes.copy(grown, step.at);
    model.set(step.disk, grown);
    // Two writes that overlap are in no order while both are on their way.
    await settle();
    pending.push(overlay.write(inode, step.at, bytes));
    return;
  }
  await settle();
  if (step.do === 'compact') await overlay.compact();
  if (step.do === 'checkpoint') await overlay.checkpoint();
  if (step.do === 'truncate' || step.do === 'remove') {
    const inode = overlay.names.find(overlay.root, step.disk);
    if (inode === undefined) return;
    if (step.do === 'remove') {
      await overlay.names.remove(overlay.root, step.disk);
      model.delete(step.disk);
      return;
    }
    await overlay.names.setAttributes(inode, { sizeBytes: step.size }, undefined);
    const cut = Buffer.alloc(step.size);
    model.get(step.disk)?.copy(cut, 0, 0, step.size);
    model.set(step.disk, cut);
  }
}

async function contentOf(view: FrozenView, name: string): Promise<Buffer | undefined> {
  const file = view.files.get(name);
  if (file === undefined) return undefined;
  const { bytes, eof } = await view.read(file, 0, 64 * MIB);
  expect(eof).toBe(true);
  return bytes;
}

/** What the image under a disk shows at a size. */
function imageAt(name: DiskName, sizeBytes: number): Buffer {
  const shown = Buffer.alloc(sizeBytes);
  images[name].copy(shown, 0, 0, Math.min(sizeBytes, BASE_BYTES));
  return shown;
}

async function expectModel(view: FrozenView, model: Model): Promise<void> {
  expect([...view.files.keys()].sort()).toEqual([...model.keys()].sort());
  for (const [name, expected] of model) {
    expect((await contentOf(view, name))?.equals(expected), name).toBe(true);
    expectChanges(view, name, expected);
  }
}

/** Outside of what is told as changed, the image shows; ranges are in order, apart, and within the disk. */
function expectChanges(view: FrozenView, name: DiskName, expected: Buffer): void {
  const file = view.files.get(name)!;
  const rebuilt = imageAt(name, expected.byteLength);
  let last = 0;
  const ranges = [...view.changes(file, BASE_BYTES)];
  for (const { offsetBytes, lengthBytes } of ranges) {
    expect(offsetBytes).toBeGreaterThanOrEqual(last);
    expect(offsetBytes % GRAIN_BYTES).toBe(0);
    last = offsetBytes + lengthBytes;
    expect(last).toBeLessThanOrEqual(expected.byteLength);
    expected.copy(rebuilt, offsetBytes, offsetBytes, last);
  }
  expect(rebuilt.equals(expected), `${name}: what is not told as changed`).toBe(true);
  const [, second] = ranges;
  if (second !== undefined) {
    expect([...view.changes(file, BASE_BYTES, second.offsetBytes)]).toEqual(ranges.slice(1));
  }
}

async function makeDisks(overlay: Overlay): Promise<void> {
  for (const name of DISKS) {
    await overlay.names.createBaseFile(overlay.root, {
      name,
      mode: 0o600,
      diskName: name,
      sizeBytes: BASE_BYTES,
    });
  }
}

const churnBytes = (round: number): Buffer => Buffer.alloc(MIB, `churn ${round} `);

/** Fills the disk with garbage over and over, so that a compaction has something to do. */
async function churn(overlay: Overlay, name: string, rounds: number): Promise<void> {
  const inode = overlay.names.lookup(overlay.root, name);
  for (let round = 0; round < rounds; round += 1) {
    await overlay.write(inode, 0, churnBytes(round));
  }
}

describe('a view of one moment', () => {
  it('holds all disks as they were, and says what differs from the images', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 15 }),
        fc.array(step, { minLength: 1, maxLength: 25 }),
        async (before, after) => {
          await using folder = await testFolder();
          const overlay = await openTestOverlay(folder.path, testKey(), { base });
          await makeDisks(overlay);
          const model: Model = new Map(DISKS.map((name) => [name, images[name]]));
          const pending: Promise<unknown>[] = [];
          for (const each of before) await take(overlay, model, each, pending);
          await Promise.all(pending.splice(0));
          using view = overlay.freeze()!;
          const then: Model = new Map(model);
          expect(overlay.freeze()).toBeUndefined();
          for (const each of after) await take(overlay, model, each, pending);
          await expectModel(view, then);
          await Promise.all(pending);
          await overlay.compact();
          await expectModel(view, then);
          // The next one sees what is there now.
          view.release();
          using next = overlay.freeze()!;
          await expectModel(next, model);
          await overlay.close();
        },
      ),
      { numRuns: 20 },
    );
  }, 60_000);

  it('has every write that was acknowledged before it, on every disk, and none that was begun after it', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey(), { base });
    await makeDisks(overlay);
    const inodes = DISKS.map((name) => overlay.names.lookup(overlay.root, name));
    let begun = 0;
    const acknowledged = new Set<number>();
    let over = false;
    // Numbered pages, turn by turn on both disks, many on their way at once; each slot is written again and again.
    const SLOTS = 200;
    const writer = async (): Promise<void> => {
      while (!over) {
        const number = (begun += 1);
        const bytes = Buffer.alloc(PAGE_BYTES);
        bytes.writeDoubleBE(number);
        await overlay.write(inodes[number % 2]!, (number % SLOTS) * PAGE_BYTES, bytes);
        acknowledged.add(number);
      }
    };
    const writers = Array.from({ length: 12 }, writer);
    for (let round = 0; round < 10; round += 1) {
      const goal = acknowledged.size + 80;
      while (acknowledged.size < goal) await new Promise(setImmediate);
      const known = new Set(acknowledged);
      const last = begun;
      using view = overlay.freeze()!;
      if (round % 5 === 0) await overlay.compact();
      const found = new Map<number, number>();
      for (const [index, name] of DISKS.entries()) {
        const content = (await contentOf(view, name))!;
        for (let slot = index; slot < SLOTS; slot += 2) {
          found.set(slot, content.readDoubleBE(slot * PAGE_BYTES));
        }
      }
      for (const number of known) expect(found.get(number % SLOTS)).toBeGreaterThanOrEqual(number);
      for (const [slot, number] of found) {
        const untouched = images[DISKS[slot % 2]!].readDoubleBE(slot * PAGE_BYTES);
        if (number !== untouched) expect(number).toBeLessThanOrEqual(last);
      }
    }
    over = true;
    await Promise.all(writers);
    await overlay.close();
  });

  it('keeps the log files that it needs from compaction, and lets them go at its end', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey(), { base });
    await makeDisks(overlay);
    await churn(overlay, 'one', 4);
    const segments = async (): Promise<string[]> =>
      (await readdir(folder.path)).filter((name) => name.startsWith('segment-')).sort();
    const view = overlay.freeze()!;
    const needed = await segments();
    const then = await contentOf(view, 'one');
    for (let round = 0; round < 3; round += 1) {
      await churn(overlay, 'one', 4);
      await overlay.compact();
    }
    expect(await segments()).toEqual(expect.arrayContaining(needed));
    // Those that came after it are compacted all the same.
    expect((await segments()).length).toBeLessThanOrEqual(needed.length + 3);
    expect((await contentOf(view, 'one'))?.equals(then!)).toBe(true);
    view.release();
    await overlay.compact();
    expect(await segments()).not.toEqual(expect.arrayContaining(needed));
    expect(() => view.read(view.files.get('one')!, 0, PAGE_BYTES)).toThrow(
      expect.objectContaining({ code: 'Closed' }) as Error,
    );
    await overlay.close();
  });

  it('leaves an overlay that opens whole after a crash, at any time while it is held', async () => {
    await using folder = await testFolder();
    const key = testKey();
    const overlay = await openTestOverlay(folder.path, key, { base });
    await makeDisks(overlay);
    await churn(overlay, 'one', 3);
    using view = overlay.freeze()!;
    for (const act of ['write', 'checkpoint', 'compact'] as const) {
      await churn(overlay, 'one', 3);
      if (act !== 'write') await overlay[act]();
      await using copy = await testFolder();
      await cp(folder.path, copy.path, { recursive: true });
      const reopened = await openTestOverlay(copy.path, key, { base });
      const { bytes } = await reopened.read(reopened.names.lookup(reopened.root, 'one'), 0, MIB);
      expect(bytes.equals(churnBytes(2))).toBe(true);
      // What nobody holds any more goes with the next compaction.
      const heldBytes = reopened.diskBytes;
      await reopened.compact();
      if (act === 'compact') expect(reopened.diskBytes).toBeLessThan(heldBytes);
      await reopened.close();
    }
    expect(view.isOpen).toBe(true);
    await overlay.close();
    expect(view.isOpen).toBe(false);
  });

  it('is given up before a write is refused for want of room', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey(), { base, quotaBytes: 16 * MIB });
    await makeDisks(overlay);
    await churn(overlay, 'one', 3);
    const view = overlay.freeze()!;
    // Far more than fits beside what the view holds, and no more than ever lives at once.
    await churn(overlay, 'one', 60);
    expect(view.isOpen).toBe(false);
    expect(() => view.read(view.files.get('one')!, 0, PAGE_BYTES)).toThrow(
      expect.objectContaining({ code: 'NoSpace' }) as Error,
    );
    expect(overlay.diskBytes).toBeLessThanOrEqual(16 * MIB);
    using next = overlay.freeze()!;
    expect((await contentOf(next, 'one'))?.subarray(0, MIB).equals(churnBytes(59))).toBe(true);
    await overlay.close();
  });
});
