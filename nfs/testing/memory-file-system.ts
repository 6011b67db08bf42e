// A file system in memory: the smallest whole implementation of the port, for tests and as a yardstick without I/O.
// Everything answers at once. Nothing survives the process, so "durable" means "done" here.
import { randomBytes } from 'node:crypto';
import {
  type Attributes,
  type Caller,
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

const FSID = 7;
const ROOT_FILEID = 1;
const HANDLE_BYTES = 16;
const TOTAL_FILES = 1_000_000;

export interface MemoryNode {
  readonly kind: FileKind;
  readonly fileid: number;
  readonly handle: Buffer;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  atime: NfsTime;
  mtime: NfsTime;
  ctime: NfsTime;
  /** Of a file; as long as the file or longer. */
  content: Buffer;
  sizeBytes: number;
  /** Of a directory: by name, in the order of making. */
  readonly entries: Map<string, DirectoryEntry<MemoryNode>>;
  /** Of a directory. */
  parent: MemoryNode;
  /** Of a symbolic link. */
  readonly target: string;
  /** Of a file made by an exclusive CREATE. */
  readonly verifier: Buffer | undefined;
}

export interface MemoryFileSystemOptions {
  readonly exportPath?: string;
  readonly totalBytes?: number;
  /** Refuses these peers with ACCES. */
  readonly refusedAddresses?: readonly string[];
}

const MAX_FILE_BYTES = 1024 * 1024 * 1024;

export class MemoryFileSystem implements FileSystem<MemoryNode> {
  readonly writeVerifier = randomBytes(8);
  readonly root: MemoryNode;
  readonly #instance = randomBytes(8);
  readonly #nodes = new Map<string, MemoryNode>();
  readonly #exportPath: string;
  readonly #totalBytes: number;
  readonly #refusedAddresses: readonly string[];
  #nextFileid = ROOT_FILEID;
  /** '.' and '..' have 1 and 2. */
  #nextCookie = 3;
  #usedBytes = 0;
  #clock = 0;

  constructor(options: MemoryFileSystemOptions = {}) {
    this.#exportPath = options.exportPath ?? '/memory';
    this.#totalBytes = options.totalBytes ?? 2 ** 40;
    this.#refusedAddresses = options.refusedAddresses ?? [];
    this.root = this.#make('directory', {});
    this.root.mode = 0o755;
  }

  mount(path: string, caller: Caller): MemoryNode {
    this.#check(caller);
    if (path !== this.#exportPath) throw new Nfs3Error(Nfs3Status.NOENT, `no export at ${path}`);
    return this.root;
  }

  exports(): string[] {
    return [this.#exportPath];
  }

  handle(node: MemoryNode): Uint8Array {
    return node.handle;
  }

  resolve(handle: Uint8Array, caller: Caller): MemoryNode {
    this.#check(caller);
    const bytes = Buffer.from(handle.buffer, handle.byteOffset, handle.byteLength);
    const node = this.#nodes.get(bytes.toString('latin1'));
    if (node !== undefined) return node;
    const isOurs = bytes.length === HANDLE_BYTES && bytes.subarray(0, 8).equals(this.#instance);
    throw isOurs
      ? new Nfs3Error(Nfs3Status.STALE, 'the file is gone')
      : new Nfs3Error(Nfs3Status.BADHANDLE, 'not a handle of this file system');
  }

  attributes(node: MemoryNode): Attributes {
    if (!this.#nodes.has(node.handle.toString('latin1')))
      throw new Nfs3Error(Nfs3Status.STALE, 'the file is gone');
    const { kind, mode, nlink, uid, gid, sizeBytes, fileid, atime, mtime, ctime } = node;
    return {
      kind,
      mode,
      nlink,
      uid,
      gid,
      sizeBytes,
      usedBytes: node.content.length,
      fsid: FSID,
      fileid,
      atime,
      mtime,
      ctime,
    };
  }

  setAttributes(node: MemoryNode, changes: SetAttributes, guardCtime: NfsTime | undefined): void {
    if (guardCtime !== undefined && !isSameTime(guardCtime, node.ctime)) {
      throw new Nfs3Error(Nfs3Status.NOT_SYNC, 'the file was changed');
    }
    const now = this.#now();
    if (changes.sizeBytes !== undefined) {
      if (node.kind !== 'file') throw new Nfs3Error(Nfs3Status.INVAL, 'a size for what is no file');
      this.#resize(node, changes.sizeBytes);
      node.mtime = now;
    }
    this.#apply(node, changes, now);
    node.ctime = now;
  }

  lookup(directory: MemoryNode, name: string): MemoryNode {
    checkDirectory(directory);
    if (name === '.') return directory;
    if (name === '..') return directory.parent;
    const entry = directory.entries.get(name);
    if (entry === undefined) throw new Nfs3Error(Nfs3Status.NOENT, `no ${name} here`);
    return entry.node;
  }

  readlink(node: MemoryNode): string {
    if (node.kind !== 'symlink') throw new Nfs3Error(Nfs3Status.INVAL, 'no symbolic link');
    return node.target;
  }

  /** A view, for the yardstick's sake: a READ that a WRITE overtakes may show the WRITE's bytes, as it may anyway. */
  read(node: MemoryNode, offsetBytes: number, countBytes: number): { bytes: Uint8Array; eof: boolean } {
    const endBytes = Math.min(offsetBytes + countBytes, node.sizeBytes);
    const bytes = node.content.subarray(Math.min(offsetBytes, endBytes), endBytes);
    return { bytes, eof: endBytes === node.sizeBytes };
  }

  write(node: MemoryNode, offsetBytes: number, bytes: Uint8Array): void {
    const endBytes = offsetBytes + bytes.length;
    if (endBytes > node.sizeBytes) this.#resize(node, endBytes);
    node.content.set(bytes, offsetBytes);
    node.mtime = this.#now();
    node.ctime = node.mtime;
  }

  commit(node: MemoryNode): void {
    if (node.kind !== 'file') throw new Nfs3Error(Nfs3Status.INVAL, 'no file');
  }

  create(directory: MemoryNode, name: string, mode: CreateMode): MemoryNode {
    checkDirectory(directory);
    const existing = directory.entries.get(name)?.node;
    if (existing !== undefined) return this.#createOver(existing, mode);
    if (mode.how === 'exclusive')
      return this.#add(directory, name, this.#make('file', { verifier: mode.verifier }));
    const node = this.#add(directory, name, this.#make('file', {}));
    this.setAttributes(node, mode.attributes, undefined);
    return node;
  }

  mkdir(directory: MemoryNode, name: string, attributes: SetAttributes): MemoryNode {
    this.#checkFree(directory, name);
    const node = this.#add(directory, name, this.#make('directory', { parent: directory }));
    this.#apply(node, attributes, this.#now());
    directory.nlink += 1;
    return node;
  }

  symlink(directory: MemoryNode, name: string, target: string, attributes: SetAttributes): MemoryNode {
    this.#checkFree(directory, name);
    const node = this.#add(directory, name, this.#make('symlink', { target }));
    this.#apply(node, attributes, this.#now());
    return node;
  }

  remove(directory: MemoryNode, name: string): void {
    const node = this.lookup(directory, name);
    if (node.kind === 'directory') throw new Nfs3Error(Nfs3Status.ISDIR, `${name} is a directory`);
    this.#drop(directory, name);
  }

  rmdir(directory: MemoryNode, name: string): void {
    const node = this.lookup(directory, name);
    checkDirectory(node);
    if (node.entries.size > 0) throw new Nfs3Error(Nfs3Status.NOTEMPTY, `${name} is not empty`);
    this.#drop(directory, name);
  }

  rename(fromDirectory: MemoryNode, fromName: string, toDirectory: MemoryNode, toName: string): void {
    const node = this.lookup(fromDirectory, fromName);
    checkDirectory(toDirectory);
    const replaced = toDirectory.entries.get(toName)?.node;
    if (replaced === node) return;
    checkNotBelow(node, toDirectory);
    if (replaced !== undefined) this.#dropReplaced(node, replaced, toDirectory, toName);
    fromDirectory.entries.delete(fromName);
    this.#enter(toDirectory, toName, node);
    this.#touch(fromDirectory);
    node.ctime = this.#now();
    if (node.kind === 'directory') {
      fromDirectory.nlink -= 1;
      toDirectory.nlink += 1;
      node.parent = toDirectory;
    }
  }

  link(node: MemoryNode, directory: MemoryNode, name: string): void {
    this.#checkFree(directory, name);
    if (node.kind === 'directory') throw new Nfs3Error(Nfs3Status.ISDIR, 'a link to a directory');
    this.#enter(directory, name, node);
    node.nlink += 1;
    node.ctime = this.#now();
  }

  readdir(
    directory: MemoryNode,
    cookie: number,
    limit: number,
  ): { entries: DirectoryEntry<MemoryNode>[]; end: boolean } {
    checkDirectory(directory);
    const all = [
      { name: '.', node: directory, cookie: 1 },
      { name: '..', node: directory.parent, cookie: 2 },
      ...directory.entries.values(),
    ];
    const rest = all.filter((entry) => entry.cookie > cookie);
    return { entries: rest.slice(0, limit), end: rest.length <= limit };
  }

  totals(): FileSystemTotals {
    return {
      totalBytes: this.#totalBytes,
      freeBytes: this.#totalBytes - this.#usedBytes,
      totalFiles: TOTAL_FILES,
      freeFiles: TOTAL_FILES - this.#nodes.size,
    };
  }

  #check(caller: Caller): void {
    if (this.#refusedAddresses.includes(caller.address)) {
      throw new Nfs3Error(Nfs3Status.ACCES, `${caller.address} may not mount`);
    }
  }

  #checkFree(directory: MemoryNode, name: string): void {
    checkDirectory(directory);
    if (directory.entries.has(name)) throw new Nfs3Error(Nfs3Status.EXIST, `${name} exists`);
  }

  #createOver(existing: MemoryNode, mode: CreateMode): MemoryNode {
    const isSame = mode.how === 'exclusive' && existing.verifier?.equals(mode.verifier) === true;
    if (isSame) return existing;
    if (mode.how !== 'unchecked' || existing.kind !== 'file')
      throw new Nfs3Error(Nfs3Status.EXIST, 'the name exists');
    if (mode.attributes.sizeBytes !== undefined) {
      this.setAttributes(existing, { sizeBytes: mode.attributes.sizeBytes }, undefined);
    }
    return existing;
  }

  #make(kind: FileKind, of: { parent?: MemoryNode; target?: string; verifier?: Uint8Array }): MemoryNode {
    const fileid = this.#nextFileid;
    this.#nextFileid += 1;
    const handle = Buffer.alloc(HANDLE_BYTES);
    this.#instance.copy(handle);
    handle.writeUIntBE(fileid, 10, 6);
    const now = this.#now();
    const node: Omit<MemoryNode, 'parent'> & { parent?: MemoryNode } = {
      kind,
      fileid,
      handle,
      mode: kind === 'directory' ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      nlink: kind === 'directory' ? 2 : 1,
      atime: now,
      mtime: now,
      ctime: now,
      content: Buffer.alloc(0),
      sizeBytes: of.target === undefined ? 0 : Buffer.byteLength(of.target),
      entries: new Map(),
      target: of.target ?? '',
      verifier: of.verifier === undefined ? undefined : Buffer.from(of.verifier),
    };
    const whole: MemoryNode = Object.assign(node, { parent: of.parent ?? (node as MemoryNode) });
    this.#nodes.set(handle.toString('latin1'), whole);
    return whole;
  }

  #add(directory: MemoryNode, name: string, node: MemoryNode): MemoryNode {
    this.#enter(directory, name, node);
    return node;
  }

  #enter(directory: MemoryNode, name: string, node: MemoryNode): void {
    directory.entries.set(name, { name, node, cookie: this.#nextCookie });
    this.#nextCookie += 1;
    this.#touch(directory);
  }

  #drop(directory: MemoryNode, name: string): void {
    const { node } = directory.entries.get(name) ?? {};
    if (node === undefined) return;
    directory.entries.delete(name);
    this.#touch(directory);
    node.nlink -= 1;
    node.ctime = this.#now();
    if (node.kind === 'directory') directory.nlink -= 1;
    if (node.kind !== 'directory' && node.nlink > 0) return;
    this.#nodes.delete(node.handle.toString('latin1'));
    this.#usedBytes -= node.content.length;
  }

  #dropReplaced(node: MemoryNode, replaced: MemoryNode, directory: MemoryNode, name: string): void {
    if (replaced.kind === 'directory') {
      if (node.kind !== 'directory') throw new Nfs3Error(Nfs3Status.ISDIR, `${name} is a directory`);
      if (replaced.entries.size > 0) throw new Nfs3Error(Nfs3Status.NOTEMPTY, `${name} is not empty`);
    } else if (node.kind === 'directory') {
      throw new Nfs3Error(Nfs3Status.NOTDIR, `${name} is no directory`);
    }
    this.#drop(directory, name);
  }

  #apply(node: MemoryNode, changes: SetAttributes, now: NfsTime): void {
    node.mode = changes.mode ?? node.mode;
    node.uid = changes.uid ?? node.uid;
    node.gid = changes.gid ?? node.gid;
    if (changes.atime !== undefined) node.atime = changes.atime === 'server' ? now : changes.atime;
    if (changes.mtime !== undefined) node.mtime = changes.mtime === 'server' ? now : changes.mtime;
  }

  /** Room grows by doubling, so that a file written in order is not copied once per WRITE. */
  #resize(node: MemoryNode, sizeBytes: number): void {
    if (sizeBytes > MAX_FILE_BYTES) throw new Nfs3Error(Nfs3Status.FBIG, 'no file in memory is as large');
    const roomBytes = sizeBytes <= node.content.length ? node.content.length : roomFor(sizeBytes, node);
    if (this.#usedBytes + roomBytes - node.content.length > this.#totalBytes) {
      throw new Nfs3Error(Nfs3Status.NOSPC, 'the file system is full');
    }
    if (roomBytes > node.content.length) {
      const content = Buffer.alloc(roomBytes);
      node.content.copy(content);
      this.#usedBytes += roomBytes - node.content.length;
      node.content = content;
    } else {
      node.content.fill(0, Math.min(sizeBytes, node.sizeBytes), node.sizeBytes);
    }
    node.sizeBytes = sizeBytes;
  }

  #touch(directory: MemoryNode): void {
    directory.mtime = this.#now();
    directory.ctime = directory.mtime;
  }

  /** A clock that never shows the same time twice, so that every change shows. */
  #now(): NfsTime {
    this.#clock += 1;
    return { seconds: 1_700_000_000 + Math.floor(this.#clock / 1e9), nanoseconds: this.#clock % 1e9 };
  }
}

function roomFor(sizeBytes: number, node: MemoryNode): number {
  return node.content.length === 0 ? sizeBytes : Math.max(sizeBytes, node.content.length * 2);
}

function checkDirectory(node: MemoryNode): void {
  if (node.kind !== 'directory') throw new Nfs3Error(Nfs3Status.NOTDIR, 'no directory');
}

function checkNotBelow(node: MemoryNode, directory: MemoryNode): void {
  for (let above = directory; above !== above.parent; above = above.parent) {
    if (above === node) throw new Nfs3Error(Nfs3Status.INVAL, 'a directory into itself');
  }
}

function isSameTime(a: NfsTime, b: NfsTime): boolean {
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}
