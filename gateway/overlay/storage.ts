// The few calls that an overlay makes to the disk, as a port, so that a test can fail each one in turn.
// Errors are Node's own, with their system code: the log decides what ENOSPC or EIO mean.
import { close, constants, fdatasync, fstat, ftruncate, open, read, write } from 'node:fs';
import { mkdir, open as openHandle, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface StorageFile {
  /** Fills `into` as far as the file goes; answers how many bytes came. */
  read(offsetBytes: number, into: Uint8Array): Promise<number>;
  /** Writes all of it, or throws. */
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** What was written is on stable storage, and so is the length needed to read it back. */
  sync(): Promise<void>;
  truncate(lengthBytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface Storage {
  /** For messages: where this is. */
  readonly path: string;
  list(): Promise<{ name: string; sizeBytes: number }[]>;
  /** `create` fails when the name exists. */
  open(name: string, how: 'read' | 'create' | 'repair'): Promise<StorageFile>;
  /** Replaces the target atomically. Durable after `syncNames`. */
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Created, renamed and removed names are on stable storage. */
  syncNames(): Promise<void>;
}

/** What the callback calls of node:fs answer, as a promise; they cost a third of a FileHandle's. */
function called<T>(
  start: (done: (error: NodeJS.ErrnoException | null, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
}

function storageFile(fd: number): StorageFile {
  return {
    async read(offsetBytes, into) {
      let done = 0;
      while (done < into.byteLength) {
        const at = done;
        const count = await called<number>((callback) => {
          read(fd, into, at, into.byteLength - at, offsetBytes + at, callback);
        });
        if (count === 0) break;
        done += count;
      }
      return done;
    },
    async write(offsetBytes, bytes) {
      let done = 0;
      while (done < bytes.byteLength) {
        const at = done;
        done += await called<number>((callback) => {
          write(fd, bytes, at, bytes.byteLength - at, offsetBytes + at, callback);
        });
      }
    },
    async sync() {
      await called<undefined>((callback) => {
        fdatasync(fd, (error) => {
          callback(error, undefined);
        });
      });
    },
    async truncate(lengthBytes) {
      await called<undefined>((callback) => {
        ftruncate(fd, lengthBytes, (error) => {
          callback(error, undefined);
        });
      });
    },
    async size() {
      const found = await called<{ size: number }>((callback) => {
        fstat(fd, callback);
      });
      return found.size;
    },
    async close() {
      await called<undefined>((callback) => {
        close(fd, (error) => {
          callback(error ?? null, undefined);
        });
      });
    },
  };
}

const FLAGS = {
  read: constants.O_RDONLY,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  repair: constants.O_RDWR,
};

/** A folder that only the service's user can enter; made when it is absent. */
export async function openFolderStorage(path: string): Promise<Storage> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return {
    path,
    async list() {
      const names = await readdir(path);
      return Promise.all(
        names.map(async (name) => ({ name, sizeBytes: (await stat(join(path, name))).size })),
      );
    },
    async open(name, how) {
      const fd = await called<number>((callback) => {
        open(join(path, name), FLAGS[how], 0o600, callback);
      });
      return storageFile(fd);
    },
    rename: (from, to) => rename(join(path, from), join(path, to)),
    remove: (name) => rm(join(path, name)),
    async syncNames() {
      await using directory = await openHandle(path, 'r');
      await directory.sync();
    },
  };
}
