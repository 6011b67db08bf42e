// Checkpoint and compaction on a disk without room for them: what a guest writes goes on where it still can, and is told
// that the disk is full where it can't; nothing of the attempt stays.
import { describe, expect, it, vi } from 'vitest';
import { CHECKPOINT_LOG_BYTES, CHECKPOINT_RETRY_LOG_BYTES, PAGE_BYTES } from './limits.ts';
import { type Log } from './log.ts';
import { Maintenance } from './maintenance.ts';
import { Segments } from './segments.ts';
import { openFolderStorage, type Storage } from './storage.ts';
import { MIB, openTestOverlay, patternBytes, testFolder, testKey } from './testing/fixture.ts';
import { Tree } from './tree.ts';

/** No room for a checkpoint beyond its preamble. */
async function withoutRoom(path: string): Promise<Storage> {
  const storage = await openFolderStorage(path);
  return {
    ...storage,
    async open(name, how) {
      const file = await storage.open(name, how);
      if (name !== 'checkpoint.new') return file;
      return {
        ...file,
        write: (offsetBytes, bytes) =>
          offsetBytes === 0
            ? file.write(offsetBytes, bytes)
            : Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })),
      };
    },
  };
}

describe('an overlay on a disk without room for a checkpoint', () => {
  it('leaves no half checkpoint, and goes on with the writes', async () => {
    await using folder = await testFolder();
    const storage = await withoutRoom(folder.path);
    const problems: Error[] = [];
    const overlay = await openTestOverlay(folder.path, testKey(), {
      storage,
      onProblem: (error) => problems.push(error),
    });
    const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
    await overlay.write(file, 0, patternBytes('a', PAGE_BYTES));
    await expect(overlay.checkpoint()).rejects.toMatchObject({ code: 'NoSpace' });
    expect((await storage.list()).map(({ name }) => name)).not.toContain('checkpoint.new');
    await overlay.write(file, 0, patternBytes('b', PAGE_BYTES));
    const { bytes } = await overlay.read(file, 0, PAGE_BYTES);
    expect(bytes.equals(patternBytes('b', PAGE_BYTES))).toBe(true);
    expect(problems).toEqual([]);
    await overlay.close();
  });

  it('tells a write for which it would have to compact that the disk is full', async () => {
    await using folder = await testFolder();
    const overlay = await openTestOverlay(folder.path, testKey(), {
      storage: await withoutRoom(folder.path),
      quotaBytes: 3 * MIB,
      onProblem: () => undefined,
    });
    const file = await overlay.names.create(overlay.root, 'f', { how: 'guarded', attributes: {} });
    await overlay.write(file, 0, patternBytes('a', MIB));
    await overlay.write(file, 0, patternBytes('b', MIB));
    await expect(overlay.write(file, 0, patternBytes('c', 2 * MIB))).rejects.toMatchObject({
      code: 'NoSpace',
    });
    await overlay.close();
  });

  it('tries again after more log, not at each record', async () => {
    await using folder = await testFolder();
    const storage = await withoutRoom(folder.path);
    const open = vi.spyOn(storage, 'open');
    const log = {
      appendedBytes: 0,
      queuedBytes: 0,
      failed: undefined,
      roll: async () => ({ number: 1, lengthBytes: 0 }),
    };
    const maintenance = new Maintenance({
      ...{ storage, overlayKey: testKey(), quotaBytes: 1024 * MIB, checkpointBytes: 0, replayedBytes: 0 },
      tree: new Tree(() => undefined, 0),
      segments: new Segments(storage, testKey()),
      log: log as unknown as Log,
      movePages: async () => undefined,
      unpin: () => false,
      onProblem: (error) => {
        throw error;
      },
    });
    const after = async (appendedBytes: number): Promise<number> => {
      log.appendedBytes = appendedBytes;
      for (let record = 0; record < 3; record += 1) {
        maintenance.afterRecord();
        await maintenance.idle();
      }
      return open.mock.calls.length;
    };
    expect(await after(CHECKPOINT_LOG_BYTES - 1)).toBe(0);
    expect(await after(CHECKPOINT_LOG_BYTES)).toBe(1);
    expect(await after(CHECKPOINT_LOG_BYTES + CHECKPOINT_RETRY_LOG_BYTES - 1)).toBe(1);
    expect(await after(CHECKPOINT_LOG_BYTES + CHECKPOINT_RETRY_LOG_BYTES)).toBe(2);
  });
});
