// What every implementation of the port must do, as a suite that each runs over itself: describeFileSystem(name, open).
// It speaks to the implementation directly; that the server carries it over the wire is proven elsewhere.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Attributes,
  type Awaitable,
  type Caller,
  type FileSystem,
  Nfs3Error,
  Nfs3Status,
} from '../file-system.ts';

export interface FileSystemUnderTest<Node> {
  readonly fileSystem: FileSystem<Node>;
  /** An export that may be mounted. */
  readonly exportPath: string;
  /** A directory in it that is writable, and empty when the test begins. */
  directory(fileSystem: FileSystem<Node>): Awaitable<Node>;
  /** Hard and symbolic links: true by default; where false, both are refused with NOTSUPP. */
  readonly hasLinks?: boolean;
  /** Stops it and starts it anew over the same state; absent for one that keeps nothing. */
  restart?(): Promise<FileSystem<Node>>;
  close(): Awaitable<void>;
}

const CALLER: Caller = { address: '127.0.0.1', uid: 0, gid: 0 };
const UNCHECKED = { how: 'unchecked', attributes: {} } as const;
const GUARDED = { how: 'guarded', attributes: {} } as const;

/** Largest file that the random tests make, so that they stay quick. */
const MODEL_BYTES = 20_000;

export function describeFileSystem<Node>(name: string, open: () => Promise<FileSystemUnderTest<Node>>): void {
  describe(`${name} keeps the port's promises`, () => {
    let under: FileSystemUnderTest<Node>;
    let fs: FileSystem<Node>;
    let dir: Node;
    beforeEach(async () => {
      under = await open();
      fs = under.fileSystem;
      dir = await under.directory(fs);
    });
    afterEach(async () => under.close());

    const make = async (fileName: string, content = ''): Promise<Node> => {
      const node = await fs.create(dir, fileName, GUARDED);
      if (content !== '') await fs.write(node, 0, Buffer.from(content), true);
      return node;
    };
    const contentOf = async (node: Node): Promise<string> => {
      const { bytes } = await fs.read(node, 0, Math.max(1, fs.attributes(node).sizeBytes));
      return Buffer.from(bytes).toString();
    };
    const namesIn = async (directory: Node): Promise<string[]> => {
      const { entries } = await fs.readdir(directory, 0, 1000);
      return entries.map((entry) => entry.name).sort();
    };

    describe('exports and handles', () => {
      test('mounts its export and no other', async () => {
        expect(fs.attributes(await fs.mount(under.exportPath, CALLER)).kind).toBe('directory');
        expect(fs.exports(CALLER)).toContain(under.exportPath);
        expect(await statusOf(() => fs.mount('/no/such/export', CALLER))).toBe(Nfs3Status.NOENT);
      });

      test('a handle leads back to its file, by at most 64 bytes', async () => {
        const node = await make('a');
        const handle = Uint8Array.from(fs.handle(node));
        expect(handle.length).toBeLessThanOrEqual(64);
        expect(fs.attributes(fs.resolve(handle, CALLER)).fileid).toBe(fs.attributes(node).fileid);
      });

      test('a handle follows a rename, and is STALE after the removal', async () => {
        const handle = Uint8Array.from(fs.handle(await make('a', 'kept')));
        await fs.rename(dir, 'a', dir, 'b');
        expect(await contentOf(fs.resolve(handle, CALLER))).toBe('kept');
        await fs.remove(dir, 'b');
        expect(await statusOf(() => fs.resolve(handle, CALLER))).toBe(Nfs3Status.STALE);
      });

      test('what never was a handle is BADHANDLE or STALE', async () => {
        const real = Uint8Array.from(fs.handle(await make('a')));
        const flip = fc.tuple(fc.nat(real.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
          const flipped = Uint8Array.from(real);
          flipped[at] = (flipped[at] ?? 0) ^ mask;
          return flipped;
        });
        const statuses: number[] = [Nfs3Status.BADHANDLE, Nfs3Status.STALE, Nfs3Status.OK];
        await fc.assert(
          fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 64 }), flip), async (handle) => {
            expect(statuses).toContain(await statusOf(() => fs.attributes(fs.resolve(handle, CALLER))));
          }),
          { numRuns: 50 },
        );
      });

      test('fileids are unique and not used again', async () => {
        const seen = new Set([fs.attributes(dir).fileid]);
        for (let round = 0; round < 10; round += 1) {
          const { fileid } = fs.attributes(await make('again'));
          expect(Number.isSafeInteger(fileid)).toBe(true);
          expect(seen.has(fileid)).toBe(false);
          seen.add(fileid);
          await fs.remove(dir, 'again');
        }
      });
    });

    describe('create', () => {
      test('guarded refuses a name that exists, unchecked takes it', async () => {
        const node = await make('a', 'content');
        expect(await statusOf(() => fs.create(dir, 'a', GUARDED))).toBe(Nfs3Status.EXIST);
        const same = await fs.create(dir, 'a', UNCHECKED);
        expect(fs.attributes(same).fileid).toBe(fs.attributes(node).fileid);
        expect(await contentOf(same)).toBe('content');
        await fs.create(dir, 'a', { how: 'unchecked', attributes: { sizeBytes: 0 } });
        expect(fs.attributes(node).sizeBytes).toBe(0);
      });

      test('exclusive finds its own file again, and refuses every other', async () => {
        const mine = { how: 'exclusive', verifier: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) } as const;
        const other = { how: 'exclusive', verifier: Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1) } as const;
        const { fileid } = fs.attributes(await fs.create(dir, 'lock', mine));
        expect(fs.attributes(await fs.create(dir, 'lock', mine)).fileid).toBe(fileid);
        expect(await statusOf(() => fs.create(dir, 'lock', other))).toBe(Nfs3Status.EXIST);
        await make('plain');
        expect(await statusOf(() => fs.create(dir, 'plain', mine))).toBe(Nfs3Status.EXIST);
      });

      test('of many exclusive creates at once, one wins', async () => {
        const statuses = await Promise.all(
          Array.from({ length: 10 }, (_, host) => {
            const verifier = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, host);
            return statusOf(() => fs.create(dir, 'lock', { how: 'exclusive', verifier }));
          }),
        );
        expect(statuses.filter((status) => status === Nfs3Status.OK)).toHaveLength(1);
        expect(statuses.filter((status) => status === Nfs3Status.EXIST)).toHaveLength(9);
      });

      test('a directory is never created over', async () => {
        await fs.mkdir(dir, 'sub', {});
        expect(await statusOf(() => fs.create(dir, 'sub', UNCHECKED))).toBe(Nfs3Status.EXIST);
        expect(await statusOf(() => fs.mkdir(dir, 'sub', {}))).toBe(Nfs3Status.EXIST);
      });
    });

    describe('attributes', () => {
      test('change as asked', async () => {
        const node = await make('a', '0123456789');
        await fs.setAttributes(node, { mode: 0o600, sizeBytes: 4 }, undefined);
        expect(fs.attributes(node)).toMatchObject({ mode: 0o600, sizeBytes: 4, kind: 'file', nlink: 1 });
        await fs.setAttributes(node, { sizeBytes: 6 }, undefined);
        expect(await contentOf(node)).toBe('0123\0\0');
        await fs.setAttributes(node, { mtime: { seconds: 1_600_000_000, nanoseconds: 0 } }, undefined);
        expect(fs.attributes(node).mtime.seconds).toBe(1_600_000_000);
      });

      test('the guard lets a change through that knows the ctime, and no other', async () => {
        const node = await make('a', 'old');
        const { ctime } = fs.attributes(node);
        await fs.write(node, 0, Buffer.from('new'), true);
        await waitForNewTime(fs, node, ctime);
        expect(await statusOf(() => fs.setAttributes(node, { sizeBytes: 0 }, ctime))).toBe(
          Nfs3Status.NOT_SYNC,
        );
        expect(await contentOf(node)).toBe('new');
        await fs.setAttributes(node, { sizeBytes: 0 }, fs.attributes(node).ctime);
        expect(fs.attributes(node).sizeBytes).toBe(0);
      });

      test('attributes that were handed out do not change', async () => {
        const node = await make('a');
        const before = fs.attributes(node);
        const copy = structuredClone(before);
        await fs.write(node, 0, Buffer.from('grown'), true);
        expect(before).toEqual(copy);
      });
    });

    describe('content', () => {
      test('reads across the end are exact', async () => {
        const node = await make('a', '0123456789');
        const tail = await fs.read(node, 8, 100);
        expect([Buffer.from(tail.bytes).toString(), tail.eof]).toEqual(['89', true]);
        const exact = await fs.read(node, 0, 10);
        expect([exact.bytes.length, exact.eof]).toEqual([10, true]);
        const head = await fs.read(node, 0, 9);
        expect([head.bytes.length, head.eof]).toEqual([9, false]);
        const beyond = await fs.read(node, 50, 10);
        expect([beyond.bytes.length, beyond.eof]).toEqual([0, true]);
      });

      test('the caller may use its buffer again after a write', async () => {
        const node = await make('a');
        const bytes = Buffer.from('precious');
        await fs.write(node, 0, bytes, false);
        bytes.fill('x');
        await fs.commit(node);
        expect(await contentOf(node)).toBe('precious');
      });

      test('behaves like an array of bytes under any writes and truncations', async () => {
        const offset = fc.nat(MODEL_BYTES / 2);
        const write = fc.record({
          offset,
          bytes: fc.uint8Array({ minLength: 1, maxLength: 9000 }),
          stable: fc.boolean(),
        });
        const change = fc.oneof(write, fc.record({ size: fc.nat(MODEL_BYTES) }));
        let files = 0;
        await fc.assert(
          fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
            files += 1;
            const node = await make(`model-${files}`);
            let model = Buffer.alloc(0);
            for (const step of changes) {
              if ('size' in step) {
                await fs.setAttributes(node, { sizeBytes: step.size }, undefined);
                model = resized(model, step.size);
              } else {
                await fs.write(node, step.offset, step.bytes, step.stable);
                model = resized(model, Math.max(model.length, step.offset + step.bytes.length));
                model.set(step.bytes, step.offset);
              }
            }
            expect(fs.attributes(node).sizeBytes).toBe(model.length);
            const { bytes } = await fs.read(node, 0, MODEL_BYTES);
            expect(Buffer.compare(bytes, model)).toBe(0);
          }),
          { numRuns: 25 },
        );
      });

      test('writes side by side all arrive', async () => {
        const node = await make('a');
        const block = (index: number) => Buffer.alloc(4096, index + 1);
        await Promise.all(
          Array.from({ length: 32 }, async (_, i) => fs.write(node, i * 4096, block(i), true)),
        );
        for (let index = 0; index < 32; index += 1) {
          const { bytes } = await fs.read(node, index * 4096, 4096);
          expect(Buffer.compare(bytes, block(index))).toBe(0);
        }
      });
    });

    describe('names', () => {
      test('are found, and . and .. with them', async () => {
        const sub = await fs.mkdir(dir, 'sub', {});
        const id = (node: Node) => fs.attributes(node).fileid;
        expect(id(await fs.lookup(dir, 'sub'))).toBe(id(sub));
        expect(id(await fs.lookup(sub, '.'))).toBe(id(sub));
        expect(id(await fs.lookup(sub, '..'))).toBe(id(dir));
        expect(await statusOf(() => fs.lookup(dir, 'none'))).toBe(Nfs3Status.NOENT);
        expect(await statusOf(() => fs.lookup(dir, 'SUB'))).toBe(Nfs3Status.NOENT);
      });

      test('exist in directories only', async () => {
        const file = await make('a');
        expect(await statusOf(() => fs.lookup(file, 'x'))).toBe(Nfs3Status.NOTDIR);
        expect(await statusOf(() => fs.create(file, 'x', GUARDED))).toBe(Nfs3Status.NOTDIR);
        expect(await statusOf(() => fs.readdir(file, 0, 10))).toBe(Nfs3Status.NOTDIR);
        expect(await statusOf(() => fs.rmdir(dir, 'a'))).toBe(Nfs3Status.NOTDIR);
      });

      test('of files and directories are removed, each in its way', async () => {
        await make('file');
        const sub = await fs.mkdir(dir, 'sub', {});
        await fs.create(sub, 'inner', GUARDED);
        expect(await statusOf(() => fs.remove(dir, 'sub'))).toBe(Nfs3Status.ISDIR);
        expect(await statusOf(() => fs.rmdir(dir, 'sub'))).toBe(Nfs3Status.NOTEMPTY);
        await fs.remove(sub, 'inner');
        await fs.rmdir(dir, 'sub');
        await fs.remove(dir, 'file');
        expect(await statusOf(() => fs.remove(dir, 'file'))).toBe(Nfs3Status.NOENT);
        expect(await statusOf(() => fs.rmdir(dir, 'sub'))).toBe(Nfs3Status.NOENT);
        expect(await namesIn(dir)).toEqual(['.', '..']);
      });

      test('are replaced by a rename, in one step', async () => {
        await make('old', 'old');
        const fresh = await make('fresh', 'fresh');
        await fs.rename(dir, 'fresh', dir, 'old');
        expect(await namesIn(dir)).toEqual(['.', '..', 'old']);
        expect(await contentOf(await fs.lookup(dir, 'old'))).toBe('fresh');
        expect(fs.attributes(fresh).nlink).toBe(1);
        expect(await statusOf(() => fs.rename(dir, 'none', dir, 'x'))).toBe(Nfs3Status.NOENT);
        await fs.rename(dir, 'old', dir, 'old');
        expect(await contentOf(fresh)).toBe('fresh');
      });

      test('are there all the time while they are replaced', async () => {
        await make('lock', 'v0');
        for (let round = 1; round <= 10; round += 1) {
          await make('lock.new', `v${round}`);
          const [, found] = await Promise.all([
            fs.rename(dir, 'lock.new', dir, 'lock'),
            statusOf(() => fs.lookup(dir, 'lock')),
          ]);
          expect(found).toBe(Nfs3Status.OK);
          expect(await contentOf(await fs.lookup(dir, 'lock'))).toBe(`v${round}`);
        }
      });

      test('move between directories, but not into themselves or over the full', async () => {
        const a = await fs.mkdir(dir, 'a', {});
        const b = await fs.mkdir(dir, 'b', {});
        await fs.create(b, 'inner', GUARDED);
        expect(await statusOf(() => fs.rename(dir, 'a', dir, 'b'))).toBe(Nfs3Status.NOTEMPTY);
        expect(await statusOf(() => fs.rename(dir, 'a', a, 'x'))).toBe(Nfs3Status.INVAL);
        await fs.rename(dir, 'b', a, 'moved');
        expect(fs.attributes(await fs.lookup(b, '..')).fileid).toBe(fs.attributes(a).fileid);
        expect(await namesIn(dir)).toEqual(['.', '..', 'a']);
        expect(await namesIn(await fs.lookup(a, 'moved'))).toContain('inner');
      });

      test('link, hard and symbolic, or say NOTSUPP', async () => {
        const node = await make('a', 'shared');
        if (under.hasLinks === false) {
          expect(await statusOf(() => fs.link(node, dir, 'b'))).toBe(Nfs3Status.NOTSUPP);
          expect(await statusOf(() => fs.symlink(dir, 's', 'a', {}))).toBe(Nfs3Status.NOTSUPP);
          return;
        }
        await fs.link(node, dir, 'b');
        expect(fs.attributes(node).nlink).toBe(2);
        expect(await statusOf(() => fs.link(node, dir, 'b'))).toBe(Nfs3Status.EXIST);
        await fs.remove(dir, 'a');
        expect(await contentOf(await fs.lookup(dir, 'b'))).toBe('shared');
        expect(fs.attributes(await fs.lookup(dir, 'b')).nlink).toBe(1);
        const link = await fs.symlink(dir, 's', 'some/target', {});
        expect(fs.attributes(link).kind).toBe('symlink');
        expect(await fs.readlink(link)).toBe('some/target');
      });
    });

    describe('listing', () => {
      test('gives every entry once, whatever the limit', async () => {
        const names = Array.from({ length: 23 }, (_, index) => `file-${index}`);
        for (const fileName of names) await make(fileName);
        for (const limit of [1, 2, 7, 25, 100]) {
          const listed = await listAll(fs, dir, limit);
          expect(listed.map((entry) => entry.name).sort()).toEqual(['.', '..', ...names].sort());
          expect(listed.every((entry) => Number.isSafeInteger(entry.cookie) && entry.cookie > 0)).toBe(true);
        }
      });

      test('goes on after a cookie though entries come and go', async () => {
        for (let index = 0; index < 10; index += 1) await make(`file-${index}`);
        const all = await listAll(fs, dir, 100);
        const middle = all[6];
        expect(middle).toBeDefined();
        if (middle === undefined) return;
        for (const entry of all.slice(0, 6)) {
          if (entry.name.startsWith('file-')) await fs.remove(dir, entry.name);
        }
        const { entries } = await fs.readdir(dir, middle.cookie, 100);
        expect(entries.map((entry) => entry.name)).toEqual(all.slice(7).map((entry) => entry.name));
      });
    });

    test('totals make sense', async () => {
      const totals = await fs.totals(dir);
      expect(totals.totalBytes).toBeGreaterThan(0);
      expect(totals.freeBytes).toBeGreaterThanOrEqual(0);
      expect(totals.freeBytes).toBeLessThanOrEqual(totals.totalBytes);
      for (const value of Object.values(totals)) expect(Number.isSafeInteger(value)).toBe(true);
    });

    test('a restart keeps handles, fileids, cookies and content, and changes the write verifier', async () => {
      expect(fs.writeVerifier).toHaveLength(8);
      if (under.restart === undefined) return;
      await make('first', 'kept');
      const sub = await fs.mkdir(dir, 'sub', {});
      await fs.create(sub, 'inner', GUARDED);
      await fs.rename(sub, 'inner', dir, 'moved');
      const before = await snapshot(fs, dir);
      const handles = before.map((entry) => entry.handle);
      const verifier = Uint8Array.from(fs.writeVerifier);

      fs = await under.restart();
      dir = await under.directory(fs);
      expect(await snapshot(fs, dir)).toEqual(before);
      for (const handle of handles)
        expect(await statusOf(() => fs.resolve(handle, CALLER))).toBe(Nfs3Status.OK);
      expect(await contentOf(await fs.lookup(dir, 'first'))).toBe('kept');
      expect(Uint8Array.from(fs.writeVerifier)).not.toEqual(verifier);
    });
  });
}

/** The nfsstat3 that a call ends with. Anything but an Nfs3Error is a failure of the test. */
async function statusOf(run: () => Awaitable<unknown>): Promise<number> {
  try {
    await run();
    return Nfs3Status.OK;
  } catch (error) {
    if (error instanceof Nfs3Error) return error.status;
    throw error;
  }
}

async function listAll<Node>(
  fs: FileSystem<Node>,
  directory: Node,
  limit: number,
): Promise<{ name: string; cookie: number; node: Node }[]> {
  const listed: { name: string; cookie: number; node: Node }[] = [];
  for (let round = 0; round < 1000; round += 1) {
    const { entries, end } = await fs.readdir(directory, listed.at(-1)?.cookie ?? 0, limit);
    expect(entries.length).toBeLessThanOrEqual(limit);
    listed.push(...entries);
    if (end) return listed;
    expect(entries.length).toBeGreaterThan(0);
  }
  throw new Error('the listing does not end');
}

interface Kept {
  name: string;
  cookie: number;
  fileid: number;
  sizeBytes: number;
  kind: Attributes['kind'];
  handle: Uint8Array;
}

async function snapshot<Node>(fs: FileSystem<Node>, directory: Node): Promise<Kept[]> {
  const listed = await listAll(fs, directory, 100);
  return listed.map(({ name, cookie, node }) => {
    const { fileid, sizeBytes, kind } = fs.attributes(node);
    return { name, cookie, fileid, sizeBytes, kind, handle: Uint8Array.from(fs.handle(node)) };
  });
}

/** A local file system's clock ticks every few milliseconds: touches the file until its ctime is another one. */
async function waitForNewTime<Node>(
  fs: FileSystem<Node>,
  node: Node,
  before: Attributes['ctime'],
): Promise<void> {
  for (let round = 0; round < 1000; round += 1) {
    const { ctime } = fs.attributes(node);
    if (ctime.seconds !== before.seconds || ctime.nanoseconds !== before.nanoseconds) return;
    await fs.setAttributes(node, { mode: 0o644 }, undefined);
  }
  throw new Error('ctime does not change');
}

function resized(bytes: Buffer, size: number): Buffer<ArrayBuffer> {
  const result = Buffer.alloc(size);
  bytes.copy(result);
  return result;
}
