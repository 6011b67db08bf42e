// Serves a plain local folder: a peer for the lab, a yardstick for the gateway. Handles are made of inode and birth
// time, so they survive a restart; a handle that was not met yet is looked for in the whole tree, which is fine for
// folders of a test and for nothing else. The folder must be on one file system and changed by nobody else.
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import {
  type Attributes,
  type CreateMode,
  type DirectoryEntry,
  type FileKind,
  type FileSystem,
  type FileSystemTotals,
  Nfs3Error,
  Nfs3Status,
  type NfsTime,
  type SetAttributes,
} from '../file-system.ts';

const FSID = 1;
const HANDLE_BYTES = 16;
const MAX_OPEN_FILES = 64;

interface FolderNode {
  /** Follows renames. */
  path: string;
  readonly handle: Buffer;
  readonly fileid: number;
}

/** What errno means as nfsstat3. */
const STATUS_OF_ERRNO: Readonly<Record<string, Exclude<Nfs3Status, 0>>> = {
  EPERM: Nfs3Status.PERM,
  ENOENT: Nfs3Status.NOENT,
  EACCES: Nfs3Status.ACCES,
  EEXIST: Nfs3Status.EXIST,
  EXDEV: Nfs3Status.XDEV,
  ENOTDIR: Nfs3Status.NOTDIR,
  EISDIR: Nfs3Status.ISDIR,
  EINVAL: Nfs3Status.INVAL,
  EFBIG: Nfs3Status.FBIG,
  ENOSPC: Nfs3Status.NOSPC,
  EROFS: Nfs3Status.ROFS,
  EMLINK: Nfs3Status.MLINK,
  ENAMETOOLONG: Nfs3Status.NAMETOOLONG,
  ENOTEMPTY: Nfs3Status.NOTEMPTY,
  EDQUOT: Nfs3Status.DQUOT,
};

export class FolderFileSystem implements FileSystem<FolderNode>, AsyncDisposable {
  readonly writeVerifier = randomBytes(8);
  readonly #folder: string;
  readonly #exportPath: string;
  readonly #nodes = new Map<string, FolderNode>();
  /** Open files by handle, the one that was used last at the end. */
  readonly #files = new Map<string, Promise<FileHandle>>();

  /** Serves `folder` as the export `exportPath`. */
  constructor(folder: string, exportPath: string) {
    this.#folder = fs.realpathSync(folder);
    this.#exportPath = exportPath;
  }

  mount(exportPath: string): FolderNode {
    if (exportPath !== this.#exportPath) throw new Nfs3Error(Nfs3Status.NOENT, `no export at ${exportPath}`);
    return this.#nodeAt(this.#folder);
  }

  exports(): string[] {
    return [this.#exportPath];
  }

  handle(node: FolderNode): Uint8Array {
    return node.handle;
  }

  resolve(handle: Uint8Array): FolderNode {
    if (handle.length !== HANDLE_BYTES)
      throw new Nfs3Error(Nfs3Status.BADHANDLE, 'not a handle of this folder');
    const key = Buffer.from(handle).toString('hex');
    if (!this.#nodes.has(key)) this.#meetAll(this.#folder);
    const node = this.#nodes.get(key);
    if (node === undefined) throw new Nfs3Error(Nfs3Status.STALE, 'no file of this handle');
    return node;
  }

  attributes(node: FolderNode): Attributes {
    const stats = statOrUndefined(node.path);
    if (stats === undefined) throw new Nfs3Error(Nfs3Status.STALE, `${node.path} is gone`);
    return {
      kind: kindOf(stats),
      mode: Number(stats.mode) & 0o7777,
      nlink: Number(stats.nlink),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      sizeBytes: Number(stats.size),
      usedBytes: Number(stats.blocks) * 512,
      fsid: FSID,
      fileid: node.fileid,
      atime: timeOf(stats.atimeNs),
      mtime: timeOf(stats.mtimeNs),
      ctime: timeOf(stats.ctimeNs),
    };
  }

  async setAttributes(node: FolderNode, changes: SetAttributes, guard: NfsTime | undefined): Promise<void> {
    const before = this.attributes(node);
    const isGuarded = guard !== undefined;
    if (
      isGuarded &&
      !(guard.seconds === before.ctime.seconds && guard.nanoseconds === before.ctime.nanoseconds)
    ) {
      throw new Nfs3Error(Nfs3Status.NOT_SYNC, 'the file was changed');
    }
    translate(() => applyAttributes(node.path, before, changes));
  }

  lookup(directory: FolderNode, name: string): FolderNode {
    return this.#nodeAt(this.#childPath(directory, name));
  }

  readlink(node: FolderNode): string {
    return translate(() => fs.readlinkSync(node.path));
  }

  async read(
    node: FolderNode,
    offsetBytes: number,
    countBytes: number,
  ): Promise<{ bytes: Uint8Array; eof: boolean }> {
    const file = await this.#open(node);
    const buffer = Buffer.allocUnsafe(countBytes);
    let filledBytes = 0;
    while (filledBytes < countBytes) {
      const rest = countBytes - filledBytes;
      const { bytesRead } = await file.read(buffer, filledBytes, rest, offsetBytes + filledBytes);
      if (bytesRead === 0) return { bytes: buffer.subarray(0, filledBytes), eof: true };
      filledBytes += bytesRead;
    }
    return { bytes: buffer, eof: offsetBytes + countBytes >= this.attributes(node).sizeBytes };
  }

  async write(node: FolderNode, offsetBytes: number, bytes: Uint8Array, stable: boolean): Promise<void> {
    const file = await this.#open(node);
    try {
      let writtenBytes = 0;
      while (writtenBytes < bytes.length) {
        const rest = bytes.length - writtenBytes;
        writtenBytes += (await file.write(bytes, writtenBytes, rest, offsetBytes + writtenBytes))
          .bytesWritten;
      }
      if (stable) await file.datasync();
    } catch (error) {
      throw translated(error);
    }
  }

  async commit(node: FolderNode): Promise<void> {
    const file = await this.#open(node);
    await file.datasync();
  }

  create(directory: FolderNode, name: string, mode: CreateMode): FolderNode {
    const target = this.#childPath(directory, name);
    return translate(() => {
      if (mode.how === 'exclusive') createExclusive(target, mode.verifier);
      else createPlain(target, mode.how === 'guarded', mode.attributes);
      syncDirectory(directory.path);
      return this.#nodeAt(target);
    });
  }

  mkdir(directory: FolderNode, name: string, attributes: SetAttributes): FolderNode {
    const target = this.#childPath(directory, name);
    return translate(() => {
      fs.mkdirSync(target);
      applyAttributes(target, undefined, attributes);
      syncDirectory(directory.path);
      return this.#nodeAt(target);
    });
  }

  symlink(directory: FolderNode, name: string, target: string): FolderNode {
    const at = this.#childPath(directory, name);
    return translate(() => {
      fs.symlinkSync(target, at);
      syncDirectory(directory.path);
      return this.#nodeAt(at);
    });
  }

  remove(directory: FolderNode, name: string): void {
    const target = this.#childPath(directory, name);
    const node = this.#nodeAt(target);
    if (this.attributes(node).kind === 'directory')
      throw new Nfs3Error(Nfs3Status.ISDIR, `${name} is a directory`);
    translate(() => fs.unlinkSync(target));
    this.#forget(node);
    syncDirectory(directory.path);
  }

  rmdir(directory: FolderNode, name: string): void {
    const target = this.#childPath(directory, name);
    const node = this.#nodeAt(target);
    translate(() => fs.rmdirSync(target));
    this.#forget(node);
    syncDirectory(directory.path);
  }

  rename(fromDirectory: FolderNode, fromName: string, toDirectory: FolderNode, toName: string): void {
    const from = this.#childPath(fromDirectory, fromName);
    const to = this.#childPath(toDirectory, toName);
    const node = this.#nodeAt(from);
    const replaced = statOrUndefined(to) === undefined ? undefined : this.#nodeAt(to);
    translate(() => fs.renameSync(from, to));
    if (replaced !== undefined && replaced !== node) this.#forget(replaced);
    this.#move(from, to);
    syncDirectory(fromDirectory.path);
    if (toDirectory !== fromDirectory) syncDirectory(toDirectory.path);
  }

  link(node: FolderNode, directory: FolderNode, name: string): void {
    const target = this.#childPath(directory, name);
    translate(() => fs.linkSync(node.path, target));
    syncDirectory(directory.path);
  }

  readdir(
    directory: FolderNode,
    cookie: number,
    limit: number,
  ): { entries: DirectoryEntry<FolderNode>[]; end: boolean } {
    const names = ['.', '..', ...translate(() => fs.readdirSync(directory.path))];
    const all = names.map((name) => {
      const node = this.lookup(directory, name);
      return { name, node, cookie: cookieOf(name, node) };
    });
    all.sort((a, b) => a.cookie - b.cookie);
    const rest = all.filter((entry) => entry.cookie > cookie);
    return { entries: rest.slice(0, limit), end: rest.length <= limit };
  }

  totals(): FileSystemTotals {
    const stats = fs.statfsSync(this.#folder);
    return {
      totalBytes: stats.blocks * stats.bsize,
      freeBytes: stats.bavail * stats.bsize,
      totalFiles: stats.files,
      freeFiles: stats.ffree,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    for (const file of await Promise.allSettled(files)) {
      if (file.status === 'fulfilled') await file.value.close();
    }
  }

  #childPath(directory: FolderNode, name: string): string {
    if (this.attributes(directory).kind !== 'directory') {
      throw new Nfs3Error(Nfs3Status.NOTDIR, `${directory.path} is no directory`);
    }
    if (name === '.') return directory.path;
    if (name === '..') return directory.path === this.#folder ? this.#folder : path.dirname(directory.path);
    return path.join(directory.path, name);
  }

  #nodeAt(at: string): FolderNode {
    const stats = statOrUndefined(at);
    if (stats === undefined) throw new Nfs3Error(Nfs3Status.NOENT, `${at} does not exist`);
    const handle = Buffer.alloc(HANDLE_BYTES);
    handle.writeBigUInt64BE(stats.ino, 0);
    handle.writeBigUInt64BE(stats.birthtimeNs, 8);
    const key = handle.toString('hex');
    const known = this.#nodes.get(key);
    if (known !== undefined) {
      if (statOrUndefined(known.path)?.ino !== stats.ino) known.path = at;
      return known;
    }
    const node = { path: at, handle, fileid: fileidOf(handle) };
    this.#nodes.set(key, node);
    return node;
  }

  /** Meets every file of a folder, so that a handle from before a restart is known again. */
  #meetAll(folder: string): void {
    this.#nodeAt(folder);
    for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
      this.#nodeAt(path.join(entry.parentPath, entry.name));
    }
  }

  /** After a removal: a file that has another name lives on under it. */
  #forget(node: FolderNode): void {
    this.#nodes.delete(node.handle.toString('hex'));
    const key = node.handle.toString('hex');
    const file = this.#files.get(key);
    this.#files.delete(key);
    void file?.then((open) => open.close()).catch(() => undefined);
  }

  /** After a rename: the node, and those below it, are at new paths. */
  #move(from: string, to: string): void {
    for (const node of this.#nodes.values()) {
      if (node.path === from) node.path = to;
      else if (node.path.startsWith(`${from}/`)) node.path = to + node.path.slice(from.length);
    }
  }

  #open(node: FolderNode): Promise<FileHandle> {
    const key = node.handle.toString('hex');
    const known = this.#files.get(key);
    if (known !== undefined) {
      this.#files.delete(key);
      this.#files.set(key, known);
      return known;
    }
    const file = fs.promises.open(node.path, 'r+').catch((error: unknown) => {
      this.#files.delete(key);
      throw translated(error);
    });
    this.#files.set(key, file);
    if (this.#files.size > MAX_OPEN_FILES) this.#closeOldest();
    return file;
  }

  #closeOldest(): void {
    for (const [key, file] of this.#files) {
      this.#files.delete(key);
      void file.then((open) => open.close()).catch(() => undefined);
      return;
    }
  }
}

function statOrUndefined(at: string): fs.BigIntStats | undefined {
  return translate(() => fs.lstatSync(at, { bigint: true, throwIfNoEntry: false }));
}

function kindOf(stats: fs.BigIntStats): FileKind {
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'symlink' : 'file';
}

const NANOSECONDS = 1_000_000_000n;

function timeOf(nanoseconds: bigint): NfsTime {
  return { seconds: Number(nanoseconds / NANOSECONDS), nanoseconds: Number(nanoseconds % NANOSECONDS) };
}

/** 48 bits of a digest: unlike an inode, never used again for another file. */
function fileidOf(handle: Buffer): number {
  return createHash('sha256').update(handle).digest().readUIntBE(0, 6);
}

/** '.' and '..' come first; the rest by fileid, which no other entry of the directory has. */
function cookieOf(name: string, node: FolderNode): number {
  if (name === '.') return 1;
  if (name === '..') return 2;
  return node.fileid + 3;
}

function applyAttributes(at: string, before: Attributes | undefined, changes: SetAttributes): void {
  if (changes.sizeBytes !== undefined) fs.truncateSync(at, changes.sizeBytes);
  if (changes.mode !== undefined) fs.chmodSync(at, changes.mode);
  if (changes.uid !== undefined || changes.gid !== undefined) {
    const stats = fs.lstatSync(at);
    fs.lchownSync(at, changes.uid ?? stats.uid, changes.gid ?? stats.gid);
  }
  if (changes.atime !== undefined || changes.mtime !== undefined) {
    const nowSeconds = Date.now() / 1000;
    const stats = fs.lstatSync(at);
    fs.lutimesSync(
      at,
      secondsOf(changes.atime, before?.atime, stats.atimeMs, nowSeconds),
      secondsOf(changes.mtime, before?.mtime, stats.mtimeMs, nowSeconds),
    );
  }
}

function secondsOf(
  change: NfsTime | 'server' | undefined,
  before: NfsTime | undefined,
  currentMs: number,
  nowSeconds: number,
): number {
  if (change === 'server') return nowSeconds;
  const time = change ?? before;
  return time === undefined ? currentMs / 1000 : time.seconds + time.nanoseconds / 1e9;
}

function createPlain(target: string, isGuarded: boolean, attributes: SetAttributes): void {
  if (statOrUndefined(target)?.isDirectory() === true) {
    throw new Nfs3Error(Nfs3Status.EXIST, `${target} is a directory`);
  }
  fs.closeSync(fs.openSync(target, isGuarded ? 'wx' : 'a', 0o644));
  applyAttributes(target, undefined, attributes);
}

/** The verifier is kept in the file's times, as servers over local file systems do. */
function createExclusive(target: string, verifier: Uint8Array): void {
  const bytes = Buffer.from(verifier);
  // 31 bits each: what every file system can keep as a time.
  const atime = bytes.readUInt32BE(0) & 0x7fff_ffff;
  const mtime = bytes.readUInt32BE(4) & 0x7fff_ffff;
  const existing = fs.lstatSync(target, { throwIfNoEntry: false });
  if (existing !== undefined) {
    if (existing.atimeMs === atime * 1000 && existing.mtimeMs === mtime * 1000) return;
    throw new Nfs3Error(Nfs3Status.EXIST, `${target} exists`);
  }
  fs.closeSync(fs.openSync(target, 'wx', 0o644));
  fs.utimesSync(target, atime, mtime);
}

function syncDirectory(at: string): void {
  const fd = fs.openSync(at, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function translate<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw translated(error);
  }
}

function translated(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  const status = STATUS_OF_ERRNO[error.code];
  return status === undefined ? error : new Nfs3Error(status, error.message, { cause: error });
}
