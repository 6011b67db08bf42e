// Names and attributes of an overlay's files. Changes are made one at a time: each looks at the tree, appends one
// record that says all it does, and is done when that is durable and took effect. So it is atomic, whole after a
// crash or not there at all. Hosts do this a few times a minute; content does not pass here.
import { type CreateMode, Nfs3Error, Nfs3Status, type NfsTime, type SetAttributes } from '../../nfs/index.ts';
import { nextTime } from './clock.ts';
import { MAX_FILE_BYTES, MAX_INODES, MAX_NAME_BYTES, PAGE_BYTES } from './limits.ts';
import {
  type Effect,
  type Inode,
  type InodeAttributes,
  type InodeRecord,
  ROOT_ID,
  type Tree,
} from './tree.ts';

/** What a change of names does to the log. */
export interface NamesLog {
  append(effects: readonly Effect[]): Promise<void>;
  resize(inode: Inode, sizeBytes: number): Promise<void>;
}

/** A file as it is at first, before anybody wrote to it. */
export interface BaseFile {
  readonly name: string;
  readonly mode: number;
  /** The image under it; its size is the file's. */
  readonly diskName: string;
  readonly sizeBytes: number;
}

export interface NamedInode {
  readonly name: string;
  readonly inode: Inode;
  readonly cookie: number;
}

const DEFAULT_FILE_MODE = 0o644;
const DEFAULT_DIRECTORY_MODE = 0o755;

export class Names {
  readonly #tree: Tree;
  readonly #log: NamesLog;
  #last: Promise<unknown> = Promise.resolve();

  constructor(tree: Tree, log: NamesLog) {
    this.#tree = tree;
    this.#log = log;
  }

  /** Throws NOENT, NOTDIR. */
  lookup(directory: Inode, name: string): Inode {
    const inode = this.find(directory, name);
    if (inode === undefined) throw new Nfs3Error(Nfs3Status.NOENT, `There is no '${name}'.`);
    return inode;
  }

  /** Undefined when there is no such name. Throws NOTDIR, STALE, NAMETOOLONG. */
  find(directory: Inode, name: string): Inode | undefined {
    this.#assertDirectory(directory);
    if (name === '.') return directory;
    if (name === '..') return this.#tree.inodes.get(directory.parent);
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
      throw new Nfs3Error(Nfs3Status.NAMETOOLONG, `A name has at most ${MAX_NAME_BYTES} bytes.`);
    }
    const child = directory.children.get(name);
    return child && this.#tree.inodes.get(child.id);
  }

  /** Names after `cookie`, without '.' and '..', in the order in which they were made. */
  *entriesAfter(directory: Inode, cookie: number): Generator<NamedInode> {
    this.#assertDirectory(directory);
    for (const [name, child] of directory.children) {
      const inode = this.#tree.inodes.get(child.id);
      if (child.cookie > cookie && inode !== undefined) yield { name, inode, cookie: child.cookie };
    }
  }

  /** Makes a file, or answers the one that is there, as the mode says. RFC 1813, 3.3.8. */
  create(directory: Inode, name: string, mode: CreateMode): Promise<Inode> {
    return this.#serially(async () => {
      const existing = this.find(directory, name);
      if (existing !== undefined) return this.#createOverExisting(existing, name, mode);
      const attributes = mode.how === 'exclusive' ? {} : mode.attributes;
      return this.#make(directory, name, {
        kind: 'file',
        sizeBytes: attributes.sizeBytes ?? 0,
        ...initialAttributes(attributes, DEFAULT_FILE_MODE),
        ...(mode.how === 'exclusive' && { verifier: Buffer.from(mode.verifier).toString('hex') }),
      });
    });
  }

  /** Makes a file that shows an image. */
  createBaseFile(directory: Inode, file: BaseFile): Promise<Inode> {
    return this.#serially(async () => {
      this.#assertAbsent(directory, file.name);
      const { diskName, sizeBytes, mode } = file;
      return this.#make(directory, file.name, {
        kind: 'file',
        sizeBytes,
        base: { diskName, sizeBytes },
        ...initialAttributes({ mode }, mode),
      });
    });
  }

  mkdir(directory: Inode, name: string, attributes: SetAttributes): Promise<Inode> {
    return this.#serially(async () => {
      this.#assertAbsent(directory, name);
      const initial = initialAttributes(attributes, DEFAULT_DIRECTORY_MODE);
      return this.#make(directory, name, { kind: 'directory', sizeBytes: PAGE_BYTES, ...initial });
    });
  }

  remove(directory: Inode, name: string): Promise<void> {
    return this.#serially(async () => {
      const inode = this.#lookupOwn(directory, name);
      if (inode.kind === 'directory') throw new Nfs3Error(Nfs3Status.ISDIR, `'${name}' is a directory.`);
      await this.#log.append([this.#unlink(directory, name), { do: 'drop', id: inode.id }]);
    });
  }

  rmdir(directory: Inode, name: string): Promise<void> {
    return this.#serially(async () => {
      const inode = this.#lookupOwn(directory, name);
      if (inode.kind !== 'directory') throw new Nfs3Error(Nfs3Status.NOTDIR, `'${name}' is no directory.`);
      if (inode.children.size > 0) throw new Nfs3Error(Nfs3Status.NOTEMPTY, `'${name}' is not empty.`);
      await this.#log.append([this.#unlink(directory, name), { do: 'drop', id: inode.id }]);
    });
  }

  /** Replaces a file, or an empty directory, at the new name. */
  rename(fromDirectory: Inode, fromName: string, toDirectory: Inode, toName: string): Promise<void> {
    return this.#serially(async () => {
      const inode = this.#lookupOwn(fromDirectory, fromName);
      this.#assertPlainName(toName);
      const replaced = this.find(toDirectory, toName);
      if (replaced === inode) return;
      if (replaced !== undefined) assertReplaceable(inode, replaced, toName);
      this.#assertNotInside(inode, toDirectory);
      const child = { id: inode.id, cookie: this.#tree.nextCookie };
      await this.#log.append([
        this.#unlink(fromDirectory, fromName),
        ...(replaced === undefined ? [] : [{ do: 'drop' as const, id: replaced.id }]),
        { do: 'link', directory: toDirectory.id, name: toName, child, at: nextTime() },
      ]);
    });
  }

  /** `guardCtime`: throws NOT_SYNC unless it is the file's ctime. Throws INVAL for a size where none can be set. */
  setAttributes(inode: Inode, changes: SetAttributes, guardCtime: NfsTime | undefined): Promise<void> {
    return this.#serially(() => this.#setAttributes(inode, changes, guardCtime));
  }

  async #setAttributes(inode: Inode, changes: SetAttributes, guardCtime: NfsTime | undefined): Promise<void> {
    this.#assertPresent(inode);
    const { ctime } = inode.attributes;
    if (
      guardCtime &&
      (guardCtime.seconds !== ctime.seconds || guardCtime.nanoseconds !== ctime.nanoseconds)
    ) {
      throw new Nfs3Error(Nfs3Status.NOT_SYNC, 'The file was changed since its attributes were read.');
    }
    const { sizeBytes, ...others } = changes;
    if (sizeBytes !== undefined) {
      assertSizeable(inode, sizeBytes);
      await this.#log.resize(inode, sizeBytes);
    }
    if (Object.keys(others).length === 0) return;
    await this.#log.append([{ do: 'attributes', id: inode.id, to: changed(inode.attributes, others) }]);
  }

  async #createOverExisting(existing: Inode, name: string, mode: CreateMode): Promise<Inode> {
    const exists = new Nfs3Error(Nfs3Status.EXIST, `'${name}' exists.`);
    if (mode.how === 'guarded') throw exists;
    if (mode.how === 'exclusive') {
      if (existing.verifier === Buffer.from(mode.verifier).toString('hex')) return existing;
      throw exists;
    }
    if (existing.kind !== 'file') throw exists;
    const { sizeBytes } = mode.attributes;
    if (sizeBytes !== undefined && sizeBytes !== existing.sizeBytes) {
      await this.#setAttributes(existing, { sizeBytes }, undefined);
    }
    return existing;
  }

  async #make(directory: Inode, name: string, inode: Omit<InodeRecord, 'id'>): Promise<Inode> {
    this.#assertPlainName(name);
    assertSize(inode.sizeBytes);
    if (this.#tree.inodes.size >= MAX_INODES) {
      throw new Nfs3Error(Nfs3Status.NOSPC, `The export has ${MAX_INODES} files, its limit.`);
    }
    const id = this.#tree.nextId;
    const child = { id, cookie: this.#tree.nextCookie };
    await this.#log.append([
      { do: 'put', inode: { ...inode, id } },
      { do: 'link', directory: directory.id, name, child, at: inode.ctime },
    ]);
    const made = this.#tree.inodes.get(id);
    if (made === undefined) throw new Nfs3Error(Nfs3Status.STALE, `'${name}' was removed while it was made.`);
    return made;
  }

  #unlink(directory: Inode, name: string): Effect {
    return { do: 'unlink', directory: directory.id, name, at: nextTime() };
  }

  #lookupOwn(directory: Inode, name: string): Inode {
    this.#assertPlainName(name);
    return this.lookup(directory, name);
  }

  #assertAbsent(directory: Inode, name: string): void {
    if (this.find(directory, name) !== undefined) throw new Nfs3Error(Nfs3Status.EXIST, `'${name}' exists.`);
  }

  #assertPlainName(name: string): void {
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
      throw new Nfs3Error(Nfs3Status.INVAL, `'${name}' can't name a file.`);
    }
  }

  #assertPresent(inode: Inode): void {
    if (this.#tree.inodes.get(inode.id) !== inode)
      throw new Nfs3Error(Nfs3Status.STALE, 'The file was removed.');
  }

  #assertDirectory(inode: Inode): void {
    this.#assertPresent(inode);
    if (inode.kind !== 'directory') throw new Nfs3Error(Nfs3Status.NOTDIR, 'That is no directory.');
  }

  #assertNotInside(moved: Inode, directory: Inode): void {
    for (let at = directory; at.id !== ROOT_ID; ) {
      if (at === moved) throw new Nfs3Error(Nfs3Status.INVAL, 'A directory can’t move into itself.');
      const parent = this.#tree.inodes.get(at.parent);
      if (parent === undefined) return;
      at = parent;
    }
  }

  /** One change after the other; a failed one does not stop the next. */
  #serially<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#last.then(change, change);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function assertReplaceable(inode: Inode, replaced: Inode, name: string): void {
  const isDirectory = inode.kind === 'directory';
  if ((replaced.kind === 'directory') !== isDirectory) {
    throw new Nfs3Error(Nfs3Status.EXIST, `'${name}' exists and is of another kind.`);
  }
  if (replaced.children.size > 0) throw new Nfs3Error(Nfs3Status.NOTEMPTY, `'${name}' is not empty.`);
}

function assertSizeable(inode: Inode, sizeBytes: number): void {
  if (inode.kind !== 'file') throw new Nfs3Error(Nfs3Status.INVAL, 'Only a file can be given a size.');
  assertSize(sizeBytes);
}

/** Throws FBIG. */
export function assertSize(sizeBytes: number): void {
  if (sizeBytes > MAX_FILE_BYTES)
    throw new Nfs3Error(Nfs3Status.FBIG, `A file has at most ${MAX_FILE_BYTES} bytes.`);
}

function initialAttributes(attributes: SetAttributes, defaultMode: number): InodeAttributes {
  const at = nextTime();
  const none = { mode: defaultMode, uid: 0, gid: 0, atime: at, mtime: at, ctime: at };
  return { ...changed(none, attributes), ctime: at };
}

function changed(from: InodeAttributes, changes: SetAttributes): InodeAttributes {
  const at = nextTime();
  const time = (wanted: NfsTime | 'server' | undefined, old: NfsTime): NfsTime =>
    wanted === undefined ? old : wanted === 'server' ? at : wanted;
  return {
    mode: changes.mode ?? from.mode,
    uid: changes.uid ?? from.uid,
    gid: changes.gid ?? from.gid,
    atime: time(changes.atime, from.atime),
    mtime: time(changes.mtime, from.mtime),
    ctime: at,
  };
}
