// What the overlay's tests share: a folder that goes away, a base image of known bytes, and a storage that fails.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Overlay, type OverlayOptions } from '../overlay.ts';
import { type BaseReader } from '../read-content.ts';
import { openFolderStorage, type Storage, type StorageFile } from '../storage.ts';

export const MIB = 1024 * 1024;

export interface TestFolder extends AsyncDisposable {
  readonly path: string;
}

export async function testFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'rundirect-overlay-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Bytes that are the same at each run, and differ from page to page. */
export function patternBytes(seed: string, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  for (let at = 0; at < lengthBytes; at += 32) {
    createHash('sha256').update(`${seed} ${at}`).digest().copy(bytes, at);
  }
  return bytes;
}

/** Images in memory, by disk name; answers later, as a vault would. */
export function memoryBase(disks: Readonly<Record<string, Buffer>>): BaseReader {
  return async (diskName, offsetBytes, into) => {
    await new Promise(setImmediate);
    const disk = disks[diskName];
    if (disk === undefined || offsetBytes + into.byteLength > disk.byteLength) {
      throw new Error(`read beyond ${diskName}`);
    }
    into.set(disk.subarray(offsetBytes, offsetBytes + into.byteLength));
  };
}

export const testKey = (): Buffer => randomBytes(32);

/** Opens an overlay in a folder with settings that most tests want. */
export async function openTestOverlay(
  path: string,
  key: Uint8Array,
  options: Partial<OverlayOptions> = {},
): Promise<Overlay> {
  return Overlay.open({
    storage: await openFolderStorage(path),
    key,
    quotaBytes: 1024 * MIB,
    base: memoryBase({}),
    onProblem: (error) => {
      throw error;
    },
    ...options,
  });
}

/** How the storage fails, and when: the Nth call that changes anything, counted from 1. */
export interface Fault {
  readonly at: number;
  readonly code: 'EIO' | 'ENOSPC';
}

/** A storage that fails once; `calls` counts what changed the disk. A failed write leaves half of its bytes. */
export function failingStorage(storage: Storage, fault: Fault): Storage & { calls: () => number } {
  let calls = 0;
  const guard = async (
    operation: string,
    call: () => Promise<void>,
    half?: () => Promise<void>,
  ): Promise<void> => {
    calls += 1;
    if (calls !== fault.at) return call();
    await half?.();
    throw Object.assign(new Error(`${fault.code}: injected into ${operation}`), { code: fault.code });
  };
  const guardFile = (file: StorageFile): StorageFile => ({
    ...file,
    write: (offset, bytes) =>
      guard(
        'write',
        () => file.write(offset, bytes),
        () => file.write(offset, bytes.subarray(0, bytes.byteLength / 2)),
      ),
    sync: () => guard('sync', () => file.sync()),
    truncate: (length) => guard('truncate', () => file.truncate(length)),
  });
  return {
    ...storage,
    calls: () => calls,
    async open(name, how) {
      if (how === 'create') await guard('open', async () => undefined);
      return guardFile(await storage.open(name, how));
    },
    rename: (from, to) => guard('rename', () => storage.rename(from, to)),
    remove: (name) => guard('remove', () => storage.remove(name)),
    syncNames: () => guard('syncNames', () => storage.syncNames()),
  };
}
