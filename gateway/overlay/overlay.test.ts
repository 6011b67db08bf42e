// The overlay against a model in memory: whatever is done to it, in whatever order, closed and opened again at
// any point, it holds what the model holds.

import { readdir, readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Nfs3Status } from '../../nfs/index.ts';
import { MAX_FILE_BYTES, PAGE_BYTES } from './limits.ts';
import { type Overlay } from './overlay.ts';
import { MIB, memoryBase, openTestOverlay, patternBytes, testFolder, testKey } from './testing/fixture.ts';

const BASE_BYTES = 20 * PAGE_BYTES + 512;
const base = patternBytes('base', BASE_BYTES);

type Step =
  | {
      readonly do: 'write';
      readonly file: number;
      readonly at: number;
      readonly length: number;
      readonly zeros: boolean;
    }
  | { readonly do: 'truncate'; readonly file: number; readonly size: number }
  | { readonly do: 'remove' | 'create'; readonly file: number }
  | { readonly do: 'rename'; readonly file: number; readonly to: number }
  | { readonly do: 'reopen' | 'checkpoint' | 'compact' };

const names = ['disk-flat.vmdk', 'a.log', 'b.log'];
const fileIndex = fc.nat({ max: names.length - 1 });
const offset = fc.oneof(
  fc.nat({ max: 30 }).map((page) => page * PAGE_BYTES),
  fc.nat({ max: 30 * PAGE_BYTES }),
);
const length = fc.oneof(
  fc.integer({ min: 1, max: 10 }).map((pages) => pages * PAGE_BYTES),
  fc.integer({ min: 1, max: 3 * PAGE_BYTES }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      file: fileIndex,
      at: offset,
      length,
      zeros: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('truncate' as const), file: fileIndex, size: offset }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('remove' as const, 'create' as const), file: fileIndex }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), file: fileIndex, to: fileIndex }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('reopen' as const, 'checkpoint' as const, 'compact' as const),
    }),
  },
);

type Model = Map<string, Buffer>;

function modelWrite(model: Model, name: string, at: number, bytes: Buffer): void {
  const old = model.get(name) ?? Buffer.alloc(0);
  const grown = Buffer.alloc(Math.max(old.byteLength, at + bytes.byteLength));
  old.copy(grown);
  bytes.copy(grown, at);
  model.set(name, grown);
}

function modelTruncate(model: Model, name: string, size: number): void {
  const resized = Buffer.alloc(size);
  model.get(name)?.copy(resized, 0, 0, size);
  model.set(name, resized);
}

async function content(overlay: Overlay, name: string): Promise<Buffer> {
  const { bytes, eof } = await overlay.read(overlay.names.lookup(overlay.root, name), 0, 64 * MIB);
  expect(eof).toBe(true);
  return bytes;
}

async function expectEqual(overlay: Overlay, model: Model): Promise<void> {
  const found = [...overlay.names.entriesAfter(overlay.root, 0)].map(({ name }) => name).sort();
  expect(found).toEqual([...model.keys()].sort());
  for (const [name, bytes] of model) expect((await content(overlay, name)).equals(bytes), name).toBe(true);
}

async function createDisk(overlay: Overlay, name: string): Promise<void> {
  await overlay.names.createBaseFile(overlay.root, {
    name,
    mode: 0o600,
    diskName: 'disk',
    sizeBytes: BASE_BYTES,
  });
}

describe('overlay', () => {
  it('holds what a model in memory holds, after any steps and across openings', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        await using folder = await testFolder();
        const key = testKey();
        const reader = { base: memoryBase({ disk: base }) };
        let overlay = await openTestOverlay(folder.path, key, reader);
        await createDisk(overlay, names[0]!);
        const model: Model = new Map([[names[0]!, base]]);
        let pending: Promise<unknown>[] = [];
        const settle = async (): Promise<void> => {
          await Promise.all(pending);
          pending = [];
        };
        for (const [index, current] of steps.entries()) {
          const name = 'file' in current ? names[current.file]! : '';
          if (current.do !== 'write') await settle();
          const inode = overlay.names.find(overlay.root, name === '' ? '.' : name);
          if ('file' in current && current.do !== 'create' && inode === undefined) continue;
          switch (current.do) {
            case 'write': {
              const bytes = current.zeros
                ? Buffer.alloc(current.length)
                : patternBytes(`${index}`, current.length);
              modelWrite(model, name, current.at, bytes);
              // Writes that may overlap are on their way at once; NFS clients see to the order of those that do.
              const overlaps = pending.length > 6 || index % 3 === 0;
              if (overlaps) await settle();
              await Promise.all(pending);
              pending = [overlay.write(inode!, current.at, bytes)];
              break;
            }
            case 'truncate':
              modelTruncate(model, name, current.size);
              await overlay.names.setAttributes(inode!, { sizeBytes: current.size }, undefined);
              break;
            case 'remove':
              model.delete(name);
              await overlay.names.remove(overlay.root, name);
              break;
            case 'create':
              if (inode === undefined) model.set(name, Buffer.alloc(0));
              await overlay.names.create(overlay.root, name, { how: 'unchecked', attributes: {} });
              break;
            case 'rename': {
              const to = names[current.to]!;
              const moved = model.get(name)!;
              await overlay.names.rename(overlay.root, name, overlay.root, to);
              model.delete(name);
              model.set(to, moved);
              break;
            }
            case 'reopen':
              await overlay.close();
              overlay = await openTestOverlay(folder.path, key, reader);
              break;
            case 'checkpoint':
              await overlay.checkpoint();
              break;
            case 'compact':
              await overlay.compact();
              break;
          }
        }
        await settle();
        await expectEqual(overlay, model);
        await overlay.close();
        const reopened = await openTestOverlay(folder.path, key, reader);
        await expectEqual(reopened, model);
        await reopened.close();
      }),
      { numRuns: 60 },
    );
  });

  it('merges writes into one page that are on their way at once', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey(), { base: memoryBase({ disk: base }) });
    await createDisk(overlay, 'd');
    const inode = overlay.names.lookup(overlay.root, 'd');
    const model: Model = new Map([['d', Buffer.from(base)]]);
    const writes: Promise<void>[] = [];
    for (let at = 0; at < 64; at++) {
      const bytes = patternBytes(`s${at}`, 128);
      modelWrite(model, 'd', at * 128, bytes);
      writes.push(overlay.write(inode, at * 128, bytes));
      const page = patternBytes(`p${at}`, PAGE_BYTES);
      modelWrite(model, 'd', (4 + (at % 3)) * PAGE_BYTES, page);
      writes.push(overlay.write(inode, (4 + (at % 3)) * PAGE_BYTES, page));
    }
    await Promise.all(writes);
    await expectEqual(overlay, model);
    await overlay.close();
  });

  it('keeps a sparse file sparse, and zeros off the disk', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey());
    const swap = await overlay.names.create(overlay.root, 'vm.vswp', {
      how: 'guarded',
      attributes: { sizeBytes: 1024 * MIB },
    });
    await overlay.write(swap, 512 * MIB, Buffer.alloc(4 * MIB));
    expect(overlay.diskBytes).toBeLessThan(64 * 1024);
    const { bytes, eof } = await overlay.read(swap, 1023 * MIB, MIB);
    expect(bytes.equals(Buffer.alloc(MIB))).toBe(true);
    expect(eof).toBe(true);
    await overlay.close();
  });

  it('gives space back: overwritten and removed data is compacted away', async () => {
    await using folder = await testFolder();
    const key = testKey();
    const overlay = await openTestOverlay(folder.path, key);
    const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
    for (let round = 0; round < 8; round++) await overlay.write(file, 0, patternBytes(`r${round}`, MIB));
    const extra = await overlay.names.create(overlay.root, 'g', { how: 'guarded', attributes: {} });
    await overlay.write(extra, 0, patternBytes('g', 4 * MIB));
    await overlay.names.remove(overlay.root, 'g');
    expect(overlay.diskBytes).toBeGreaterThan(12 * MIB);
    await overlay.compact();
    expect(overlay.diskBytes).toBeLessThan(1.2 * MIB);
    expect((await content(overlay, 'f')).equals(patternBytes('r7', MIB))).toBe(true);
    await overlay.close();
    const reopened = await openTestOverlay(folder.path, key);
    expect((await content(reopened, 'f')).equals(patternBytes('r7', MIB))).toBe(true);
    await reopened.close();
  });

  it('answers NoSpace at its quota, and goes on when there is room', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey(), { quotaBytes: 3 * MIB });
    const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
    await overlay.write(file, 0, patternBytes('a', 2 * MIB));
    await expect(overlay.write(file, 2 * MIB, patternBytes('b', 2 * MIB))).rejects.toMatchObject({
      code: 'NoSpace',
    });
    await overlay.names.setAttributes(file, { sizeBytes: 0 }, undefined);
    await overlay.compact();
    await overlay.write(file, 0, patternBytes('b', 2 * MIB));
    expect((await content(overlay, 'f')).equals(patternBytes('b', 2 * MIB))).toBe(true);
    await overlay.close();
  });

  it('goes on for ever within its quota while what lives fits: it compacts beside the writes', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey(), { quotaBytes: 12 * MIB });
    const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
    const blockBytes = 64 * 1024;
    const blocks = 64;
    const latest = new Map<number, Buffer>();
    for (let round = 0; round < 12; round++) {
      await Promise.all(
        Array.from({ length: blocks }, async (_, block) => {
          if ((block + round) % 5 === 0) return;
          const bytes = patternBytes(`${round} ${block % 3}`, blockBytes);
          latest.set(block, bytes);
          await overlay.write(file, block * blockBytes, bytes);
        }),
      );
      expect(overlay.diskBytes).toBeLessThan(20 * MIB);
    }
    const bytes = await content(overlay, 'f');
    for (const [block, expected] of latest) {
      expect(bytes.subarray(block * blockBytes, (block + 1) * blockBytes).equals(expected)).toBe(true);
    }
    await overlay.close();
  });

  it('writes nothing in the clear', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey());
    const file = await overlay.names.create(overlay.root, 'secret-name', { how: 'guarded', attributes: {} });
    await overlay.write(file, 0, Buffer.alloc(PAGE_BYTES, 'planted-secret'));
    await overlay.close();
    for (const name of await readdir(folder.path)) {
      const bytes = await readFile(`${folder.path}/${name}`);
      expect(bytes.includes('planted-secret')).toBe(false);
      expect(bytes.includes('secret-name')).toBe(false);
    }
  });

  it('refuses what would make a file larger than any may be', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey());
    const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
    const bytes = patternBytes('a', PAGE_BYTES);
    for (const offsetBytes of [MAX_FILE_BYTES - PAGE_BYTES + 1, 2 ** 52]) {
      expect(() => overlay.write(file, offsetBytes, bytes)).toThrow(
        expect.objectContaining({ status: Nfs3Status.FBIG }) as Error,
      );
    }
    await overlay.write(file, MAX_FILE_BYTES - PAGE_BYTES, bytes);
    expect(file.sizeBytes).toBe(MAX_FILE_BYTES);
    await overlay.close();
  });

  it('refuses a key that is not its own', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey());
    await overlay.close();
    await expect(openTestOverlay(folder.path, testKey())).rejects.toMatchObject({ code: 'Corrupt' });
  });
});
