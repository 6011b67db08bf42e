// What was acknowledged is there after anything that can happen to the process or the disk: kill -9, a torn last
// batch, and a failure of each single call to the disk. What was damaged after it was acknowledged is refused.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, open, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAGE_BYTES } from './limits.ts';
import { type Overlay } from './overlay.ts';
import { openFolderStorage } from './storage.ts';
import {
  failingStorage,
  MIB,
  openTestOverlay,
  patternBytes,
  testFolder,
  testKey,
} from './testing/fixture.ts';

const WRITER = join(import.meta.dirname, 'testing', 'writer-process.ts');

/** Runs the writer until it acknowledged so many writes, and kills it. Answers what it acknowledged. */
async function writeUntilKilled(
  path: string,
  key: Buffer,
  firstValue: number,
  count: number,
): Promise<string[]> {
  const child = spawn(process.execPath, [WRITER, path, key.toString('hex'), String(firstValue)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').length > count) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return text.split('\n').slice(0, -1);
}

async function newestSegment(path: string): Promise<string> {
  const segments = (await readdir(path)).filter((name) => name.startsWith('segment-')).sort();
  return join(path, segments.at(-1)!);
}

async function readAll(overlay: Overlay, name: string): Promise<Buffer> {
  const { bytes } = await overlay.read(overlay.names.lookup(overlay.root, name), 0, 64 * MIB);
  return bytes;
}

/** An overlay that holds `count` writes of one page, each durable before the next. Not closed: as after a crash. */
async function writePages(path: string, key: Buffer, count: number): Promise<number[]> {
  const overlay = await openTestOverlay(path, key);
  const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
  const ends: number[] = [];
  for (let page = 0; page < count; page++) {
    await overlay.write(file, page * PAGE_BYTES, patternBytes(`${page}`, PAGE_BYTES));
    ends.push((await stat(await newestSegment(path))).size);
  }
  return ends;
}

describe('overlay after a crash', () => {
  it('holds every write that was acknowledged before kill -9, several times in a row', async () => {
    await using folder = await testFolder();
    const key = testKey();
    const acknowledged = new Map<number, number>();
    for (let round = 0; round < 4; round++) {
      for (const line of await writeUntilKilled(folder.path, key, round * 1_000_000, 150 + round * 130)) {
        const [page = 0, value = 0] = line.split(' ').map(Number);
        acknowledged.set(page, value);
      }
      const overlay = await openTestOverlay(folder.path, key);
      const content = await readAll(overlay, 'f');
      for (const [page, value] of acknowledged) {
        // A later write may have arrived whose acknowledgement did not.
        const found = content.readDoubleBE(page * PAGE_BYTES);
        expect(found).toBeGreaterThanOrEqual(value);
        for (let at = 0; at < PAGE_BYTES; at += 8) {
          expect(content.readDoubleBE(page * PAGE_BYTES + at) === found).toBe(true);
        }
      }
      await overlay.close();
    }
  });

  it('loses the last batch alone when its tail is torn, wherever that is', async () => {
    await using folder = await testFolder();
    const key = testKey();
    const ends = await writePages(folder.path, key, 6);
    const lastBatchAt = ends.at(-2)!;
    for (const cut of [1, 15, 16, 63, 64, 1000, 4159, 4160, 4161]) {
      await using copy = await testFolder();
      await cp(folder.path, copy.path, { recursive: true });
      await truncate(await newestSegment(copy.path), lastBatchAt + cut);
      const overlay = await openTestOverlay(copy.path, key);
      const content = await readAll(overlay, 'f');
      expect([5, 6]).toContain(content.byteLength / PAGE_BYTES);
      for (let page = 0; page < content.byteLength / PAGE_BYTES; page++) {
        const found = content.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        expect(found.equals(patternBytes(`${page}`, PAGE_BYTES))).toBe(true);
      }
      // It goes on from there, and the cut is not taken for damage later.
      const file = overlay.names.lookup(overlay.root, 'f');
      await overlay.write(file, 0, patternBytes('again', PAGE_BYTES));
      const reopened = await openTestOverlay(copy.path, key);
      expect(
        (await readAll(reopened, 'f')).subarray(0, PAGE_BYTES).equals(patternBytes('again', PAGE_BYTES)),
      ).toBe(true);
      await reopened.close();
    }
  });

  it('refuses damage in what was acknowledged, and names the file and the place', async () => {
    await using folder = await testFolder();
    const key = testKey();
    const ends = await writePages(folder.path, key, 6);
    for (const at of [70, 200, ends[0]! + 5, ends[0]! + 100, ends[2]! + 2000, ends[3]! + 1]) {
      await using copy = await testFolder();
      await cp(folder.path, copy.path, { recursive: true });
      const path = await newestSegment(copy.path);
      await flipByte(path, at);
      await expect(openTestOverlay(copy.path, key), `byte ${at}`).rejects.toMatchObject({
        code: 'Corrupt',
        message: expect.stringContaining(path) as string,
      });
    }
  });

  it('refuses to open without a log file or with a damaged checkpoint', async () => {
    await using folder = await testFolder();
    const key = testKey();
    await writePages(folder.path, key, 6);
    const overlay = await openTestOverlay(folder.path, key);
    await overlay.close();
    const names = await readdir(folder.path);
    expect(names).toContain('checkpoint');
    for (const name of names) {
      await using copy = await testFolder();
      await cp(folder.path, copy.path, { recursive: true });
      await truncate(join(copy.path, name), 100);
      await expect(openTestOverlay(copy.path, key), name).rejects.toMatchObject({ code: 'Corrupt' });
    }
    const { size } = await stat(join(folder.path, 'checkpoint'));
    for (let at = 0; at < size; at += 61) {
      await using copy = await testFolder();
      await cp(folder.path, copy.path, { recursive: true });
      await flipByte(join(copy.path, 'checkpoint'), at);
      const damaged = await openTestOverlay(copy.path, key).catch((error: unknown) => error);
      // Padding between frames holds nothing: there a flip may go unnoticed.
      if (damaged instanceof Error) expect(damaged).toMatchObject({ code: 'Corrupt' });
      else expect((await readAll(damaged as Overlay, 'f')).byteLength).toBe(6 * PAGE_BYTES);
    }
  });
});

async function flipByte(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x40;
  await file.write(byte, 0, 1, at);
}

/** One run over a storage that fails once: what was acknowledged, by page; and how many calls changed the disk. */
interface Run {
  readonly pages: Map<number, string>;
  readonly calls: number;
}

async function runWithFault(path: string, key: Buffer, at: number, code: 'EIO' | 'ENOSPC'): Promise<Run> {
  const storage = failingStorage(await openFolderStorage(path), { at, code });
  const run = { pages: new Map<number, string>(), calls: 0 };
  const attempt = async (step: () => Promise<unknown>): Promise<boolean> => {
    try {
      await step();
      return true;
    } catch {
      return false;
    }
  };
  const options = { storage, onProblem: () => undefined };
  let overlay: Overlay | undefined;
  await attempt(async () => {
    overlay = await openTestOverlay(path, key, options);
  });
  if (overlay !== undefined) await workload(overlay, run.pages, attempt);
  return { ...run, calls: storage.calls() };
}

async function workload(
  overlay: Overlay,
  pages: Map<number, string>,
  attempt: (step: () => Promise<unknown>) => Promise<boolean>,
): Promise<void> {
  await attempt(() => overlay.names.create(overlay.root, 'f', { how: 'unchecked', attributes: {} }));
  for (let round = 0; round < 3; round++) {
    const file = overlay.names.find(overlay.root, 'f');
    if (file === undefined) return;
    await Promise.all(
      [0, 1, 2].map(async (page) => {
        const seed = `${round} ${page}`;
        const written = await attempt(() =>
          overlay.write(file, page * PAGE_BYTES, patternBytes(seed, PAGE_BYTES)),
        );
        if (written) pages.set(page, seed);
        else pages.delete(page);
      }),
    );
    await attempt(() => overlay.checkpoint());
  }
  await attempt(() => overlay.compact());
  await attempt(() => overlay.close());
}

describe.each(['EIO', 'ENOSPC'] as const)('overlay on a disk that fails once with %s', (code) => {
  it('keeps what it acknowledged, whichever call fails', async () => {
    for (let at = 1; at < 500; at++) {
      await using folder = await testFolder();
      const key = testKey();
      const run = await runWithFault(folder.path, key, at, code);
      const overlay = await openTestOverlay(folder.path, key);
      if (run.pages.size > 0) {
        const content = await readAll(overlay, 'f');
        for (const [page, seed] of run.pages) {
          const found = content.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
          expect(found.equals(patternBytes(seed, PAGE_BYTES)), `call ${at}, page ${page}`).toBe(true);
        }
      }
      await overlay.close();
      if (at > run.calls) return;
    }
    expect.unreachable('the workload has an end');
  });
});

describe('overlay whose disk failed', () => {
  it('accepts nothing more after an I/O error, and goes on after a full disk', async () => {
    for (const code of ['EIO', 'ENOSPC'] as const) {
      await using folder = await testFolder();
      const key = testKey();
      // Calls 1 to 5 make the first segment and the root; later ones are batches: write, sync, write, sync, …
      const storage = failingStorage(await openFolderStorage(folder.path), { at: 9, code });
      const problems: Error[] = [];
      const overlay = await openTestOverlay(folder.path, key, {
        storage,
        onProblem: (error) => problems.push(error),
      });
      const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
      const first = overlay.write(file, 0, patternBytes('1', PAGE_BYTES));
      const reason = code === 'EIO' ? 'Failed' : 'NoSpace';
      await expect(first).rejects.toMatchObject({ code: reason });
      const second = overlay.write(file, 0, patternBytes('2', PAGE_BYTES));
      if (code === 'EIO') {
        await expect(second).rejects.toMatchObject({ code: 'Failed' });
        expect(problems).toHaveLength(1);
      } else {
        await second;
        expect((await readAll(overlay, 'f')).equals(patternBytes('2', PAGE_BYTES))).toBe(true);
      }
      await overlay.close();
    }
  });
});
