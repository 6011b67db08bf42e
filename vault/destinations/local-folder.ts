// A destination in a folder of this machine: a disk, or whatever is mounted there. Objects are files. A new
// object is written beside its place under a dotted temporary name, synced, and then named: by rename(2), or
// by link(2) where it must not replace another, since link fails on a name that is taken. The directory is
// synced after it, because a name is durable only then.
//
// Limits: a file system without hard links (FAT, some network shares) can't hold a vault; put says so.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Destination, DestinationReader, DestinationWriter } from '../ports.ts';
import { messageOf, systemErrorCode, VaultError } from '../vault-error.ts';

const TEMPORARY_PREFIX = '.tmp-';
const LIST_MAX_DEPTH = 8;
/** What no waiting mends. */
const REFUSALS = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENAMETOOLONG',
  'EISDIR',
  'ELOOP',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
]);

/** A destination in the folder `location`, which need not exist: it is made by the first write. */
export function localFolder(location: string): Destination {
  return new LocalFolder(location);
}

/**
 * What stands at `location` before it is a vault: nothing, something that is no folder, or a folder with or
 * without entries. What a file system makes by itself, and what a killed write left, counts as empty.
 * Throws VaultError DestinationUnavailable, DestinationRefused.
 */
export async function inspectFolder(location: string): Promise<'absent' | 'not-a-folder' | 'empty' | 'used'> {
  try {
    const entries = await readdir(location);
    const used = entries.some((entry) => entry !== 'lost+found' && !entry.startsWith(TEMPORARY_PREFIX));
    return used ? 'used' : 'empty';
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return 'absent';
    if (code === 'ENOTDIR') return 'not-a-folder';
    throw failure('look into', location, error);
  }
}

class LocalFolder implements Destination {
  readonly location: string;

  constructor(location: string) {
    this.location = location;
  }

  async get(name: string, limitBytes: number): Promise<Uint8Array | undefined> {
    const path = this.#path(name);
    const file = await openForReading(path);
    if (file === undefined) return undefined;
    try {
      const { size } = await file.stat();
      if (size > limitBytes) {
        throw new VaultError(
          'FormatUnsupported',
          `${path} has ${size} bytes; this version reads at most ${limitBytes}.`,
        );
      }
      return await file.readFile();
    } catch (error) {
      throw failure('read', path, error);
    } finally {
      await file.close();
    }
  }

  async open(name: string): Promise<DestinationReader | undefined> {
    const path = this.#path(name);
    const file = await openForReading(path);
    if (file === undefined) return undefined;
    try {
      const { size } = await file.stat();
      return new LocalReader(path, file, size);
    } catch (error) {
      await file.close();
      throw failure('read', path, error);
    }
  }

  async put(
    name: string,
    bytes: Uint8Array,
    options: { ifAbsent?: boolean } = {},
  ): Promise<'written' | 'exists'> {
    const writer = await this.#createWriter(name, options.ifAbsent === true);
    try {
      await writer.append(bytes);
      return await writer.finish();
    } finally {
      await writer.abort();
    }
  }

  async create(name: string): Promise<DestinationWriter> {
    return this.#createWriter(name, false);
  }

  async *list(prefix: string): AsyncIterable<{ name: string; sizeBytes: number }> {
    if (prefix !== '') this.#path(prefix.replace(/\/$/, ''));
    yield* this.#walk(prefix.replace(/\/$/, ''), 0);
  }

  async remove(name: string): Promise<void> {
    await removeFile(this.#path(name));
  }

  async removeLeftovers(prefix: string): Promise<void> {
    for (const directory of await this.#directories(prefix.replace(/\/$/, ''), 0)) {
      for (const entry of await readDirectory(directory)) {
        if (entry.isFile() && entry.name.startsWith(TEMPORARY_PREFIX)) {
          await removeFile(join(directory, entry.name));
        }
      }
    }
  }

  async *#walk(name: string, depth: number): AsyncIterable<{ name: string; sizeBytes: number }> {
    if (depth > LIST_MAX_DEPTH) return;
    const directory = join(this.location, name);
    for (const entry of await readDirectory(directory)) {
      if (entry.name.startsWith('.')) continue;
      const child = name === '' ? entry.name : `${name}/${entry.name}`;
      if (entry.isDirectory()) {
        yield* this.#walk(child, depth + 1);
      } else if (entry.isFile()) {
        const sizeBytes = await fileSize(join(directory, entry.name));
        if (sizeBytes !== undefined) yield { name: child, sizeBytes };
      }
    }
  }

  async #directories(name: string, depth: number): Promise<string[]> {
    const directory = join(this.location, name);
    const found = [directory];
    if (depth >= LIST_MAX_DEPTH) return found;
    for (const entry of await readDirectory(directory)) {
      if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
      found.push(...(await this.#directories(join(name, entry.name), depth + 1)));
    }
    return found;
  }

  async #createWriter(name: string, ifAbsent: boolean): Promise<LocalWriter> {
    const path = this.#path(name);
    const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${randomBytes(9).toString('hex')}`);
    try {
      await makeDirectory(dirname(path));
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
      const file = await open(temporary, flags, 0o600);
      return new LocalWriter(path, temporary, file, ifAbsent);
    } catch (error) {
      throw failure('create', path, error);
    }
  }

  #path(name: string): string {
    const parts = name.split('/');
    if (parts.some((part) => part === '' || part.startsWith('.') || part.includes('\0'))) {
      throw new VaultError('InvalidInput', `'${name}' is not an object's name.`);
    }
    return join(this.location, ...parts);
  }
}

class LocalReader implements DestinationReader {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #file: FileHandle;

  constructor(path: string, file: FileHandle, sizeBytes: number) {
    this.#path = path;
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(lengthBytes);
    let filled = 0;
    try {
      while (filled < lengthBytes) {
        const { bytesRead } = await this.#file.read(
          bytes,
          filled,
          lengthBytes - filled,
          offsetBytes + filled,
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
    } catch (error) {
      throw failure('read', this.#path, error);
    }
    return filled === lengthBytes ? bytes : bytes.subarray(0, filled);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

class LocalWriter implements DestinationWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #ifAbsent: boolean;
  #finished = false;

  constructor(path: string, temporary: string, file: FileHandle, ifAbsent: boolean) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#ifAbsent = ifAbsent;
  }

  async append(bytes: Uint8Array): Promise<void> {
    let written = 0;
    try {
      while (written < bytes.byteLength) {
        const { bytesWritten } = await this.#file.write(bytes, written);
        written += bytesWritten;
      }
    } catch (error) {
      throw failure('write', this.#path, error);
    }
  }

  async commit(): Promise<void> {
    await this.finish();
  }

  /** Makes it durable and gives it its name; answers `exists` when the name must not be replaced and is taken. */
  async finish(): Promise<'written' | 'exists'> {
    try {
      await this.#file.sync();
      await this.#file.close();
      const outcome = await this.#giveName();
      this.#finished = true;
      await syncDirectory(dirname(this.#path));
      return outcome;
    } catch (error) {
      throw failure('write', this.#path, error);
    }
  }

  async abort(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    await this.#file.close();
    await removeFile(this.#temporary);
  }

  async #giveName(): Promise<'written' | 'exists'> {
    if (!this.#ifAbsent) {
      await rename(this.#temporary, this.#path);
      return 'written';
    }
    let outcome: 'written' | 'exists' = 'written';
    try {
      await link(this.#temporary, this.#path);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
      outcome = 'exists';
    }
    await unlink(this.#temporary);
    return outcome;
  }
}

async function openForReading(path: string): Promise<FileHandle | undefined> {
  try {
    // A pipe that somebody put there answers at once, too.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw failure('open', path, error);
  }
}

async function readDirectory(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw failure('list', directory, error);
  }
}

/** The size, or undefined when the file went away between listing and looking. */
async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw failure('look at', path, error);
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
    await syncDirectory(dirname(path));
  } catch (error) {
    if (isAbsent(error)) return;
    throw failure('remove', path, error);
  }
}

/**
 * Like mkdir -p, and every new name is durable afterwards. Not by Node's own `recursive`: where a file system says
 * ENOENT although the parent is there (procfs, autofs), that never returns and keeps a thread busy for good.
 */
async function makeDirectory(directory: string): Promise<void> {
  if (await isDirectory(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) await makeDirectory(parent);
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST' && (await isDirectory(directory))) return;
    throw error;
  }
  await syncDirectory(parent);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isAbsent(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function failure(what: string, path: string, error: unknown): VaultError {
  if (error instanceof VaultError) return error;
  const code = systemErrorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new VaultError('StorageFull', `Could not ${what} ${path}: no space is left there (${code}).`, {
      cause: error,
    });
  }
  const kind = REFUSALS.has(code ?? '') ? 'DestinationRefused' : 'DestinationUnavailable';
  return new VaultError(kind, `Could not ${what} ${path}: ${reason(code, error)}`, { cause: error });
}

function reason(code: string | undefined, error: unknown): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `permission denied (${code}). The service's user must be able to read and write there, on a file system with hard links.`;
    case 'ENOTSUP':
    case 'EOPNOTSUPP':
    case 'ENOSYS':
      return `the file system can't do that (${code}). A vault needs one with hard links, and where folders can be synced.`;
    case 'EROFS':
      return 'the file system is mounted read-only (EROFS).';
    case 'EISDIR':
      return 'it is a folder (EISDIR).';
    case 'ENAMETOOLONG':
      return 'the name is longer than the file system takes (ENAMETOOLONG).';
    case 'EIO':
      return 'the disk or the network share reports an input/output error (EIO).';
    case 'ESTALE':
      return 'the network share was replaced on its server (ESTALE); mount it again.';
    case undefined:
    default:
      return `${messageOf(error)}.`;
  }
}
