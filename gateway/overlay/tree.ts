// What an overlay knows of its files: names, attributes, and where each page is. Plain state in memory: it is
// changed by the records of the log alone, in their order, by the same code at run time and at replay.
//
// Every effect sets something outright (a name, an attribute, a page), or is a maximum or minimum. So replaying
// a stretch of log over a state that already holds a part of it, or all of it, ends in the same state: that is
// what lets a checkpoint be written while writes go on.
import type { NfsTime } from '../../nfs/index.ts';
import { PAGE_BYTES } from './limits.ts';
import { PageTable, type Released } from './page-table.ts';
import { RangeLocks } from './range-locks.ts';

/** The read-only image under a file: shown where no page was written, below `sizeBytes`. */
export interface BaseReference {
  /** The disk's name in the backup. */
  readonly diskName: string;
  /** Shrinks when the file is truncated, and never grows again: what comes after are zeros. */
  readonly sizeBytes: number;
}

/** No links of either kind: no host makes them on a datastore. */
export type InodeKind = 'file' | 'directory';

export interface InodeAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: NfsTime;
  readonly mtime: NfsTime;
  readonly ctime: NfsTime;
}

/** An inode without its pages and names, as records and checkpoints hold it. */
export interface InodeRecord extends InodeAttributes {
  readonly id: number;
  readonly kind: InodeKind;
  readonly sizeBytes: number;
  readonly base?: BaseReference;
  /** Of an exclusive CREATE, hex: the same one again is a repetition. */
  readonly verifier?: string;
}

export interface Child {
  readonly id: number;
  /** Where READDIR goes on; grows with each name that is made, and is never given twice. */
  readonly cookie: number;
}

export interface Inode {
  readonly id: number;
  readonly kind: InodeKind;
  attributes: InodeAttributes;
  sizeBytes: number;
  base: BaseReference | undefined;
  readonly verifier: string | undefined;
  /** The directory that names it; the root names itself. */
  parent: number;
  readonly pages: PageTable;
  readonly children: Map<string, Child>;
  readonly locks: RangeLocks;
}

export type Effect =
  | { readonly do: 'put'; readonly inode: InodeRecord }
  | { readonly do: 'attributes'; readonly id: number; readonly to: InodeAttributes }
  | { readonly do: 'size'; readonly id: number; readonly sizeBytes: number; readonly at: NfsTime }
  | {
      readonly do: 'link';
      readonly directory: number;
      readonly name: string;
      readonly child: Child;
      readonly at: NfsTime;
    }
  | { readonly do: 'unlink'; readonly directory: number; readonly name: string; readonly at: NfsTime }
  | { readonly do: 'drop'; readonly id: number };

export const ROOT_ID = 1;

/** The first two cookies are those of '.' and '..'. */
const FIRST_COOKIE = 3;

export class Tree {
  readonly inodes = new Map<number, Inode>();
  nextId: number;
  nextCookie = FIRST_COOKIE;
  readonly #released: Released;

  constructor(released: Released, firstId: number) {
    this.#released = released;
    this.nextId = Math.max(firstId, ROOT_ID + 1);
  }

  apply(effect: Effect): void {
    switch (effect.do) {
      case 'put':
        this.#put(effect.inode);
        break;
      case 'attributes': {
        const inode = this.inodes.get(effect.id);
        if (inode) inode.attributes = effect.to;
        break;
      }
      case 'size':
        this.#resize(effect.id, effect.sizeBytes, effect.at);
        break;
      case 'link':
        this.#link(effect.directory, effect.name, effect.child, effect.at);
        break;
      case 'unlink': {
        const directory = this.inodes.get(effect.directory);
        directory?.children.delete(effect.name);
        if (directory) touch(directory, effect.at);
        break;
      }
      case 'drop':
        this.#drop(effect.id);
        break;
    }
  }

  /** Takes an inode as it is; for the state of a checkpoint. */
  restore(record: InodeRecord, parent: number, children: readonly (readonly [string, Child])[]): void {
    this.#put(record);
    const inode = this.inodes.get(record.id);
    if (inode === undefined) return;
    inode.parent = parent;
    for (const [name, child] of children) inode.children.set(name, child);
  }

  #put(record: InodeRecord): void {
    this.#drop(record.id);
    const { id, kind, sizeBytes, base, verifier, ...attributes } = record;
    this.inodes.set(id, {
      id,
      kind,
      attributes,
      sizeBytes,
      base,
      verifier,
      parent: ROOT_ID,
      pages: new PageTable(),
      children: new Map(),
      locks: new RangeLocks(),
    });
    this.nextId = Math.max(this.nextId, id + 1);
  }

  #drop(id: number): void {
    this.inodes.get(id)?.pages.truncate(0, this.#released);
    this.inodes.delete(id);
  }

  #link(directoryId: number, name: string, child: Child, at: NfsTime): void {
    this.nextCookie = Math.max(this.nextCookie, child.cookie + 1);
    const inode = this.inodes.get(child.id);
    if (inode) {
      inode.parent = directoryId;
      inode.attributes = { ...inode.attributes, ctime: at };
    }
    const directory = this.inodes.get(directoryId);
    if (directory === undefined) return;
    // Deleted first: a Map keeps a replaced entry's place, and READDIR's order is that of the cookies.
    directory.children.delete(name);
    directory.children.set(name, child);
    touch(directory, at);
  }

  #resize(id: number, sizeBytes: number, at: NfsTime): void {
    const inode = this.inodes.get(id);
    if (inode === undefined) return;
    inode.pages.truncate(Math.ceil(sizeBytes / PAGE_BYTES), this.#released);
    if (inode.base && inode.base.sizeBytes > sizeBytes) inode.base = { ...inode.base, sizeBytes };
    inode.sizeBytes = sizeBytes;
    touch(inode, at);
  }
}

/** What a change of its content does to the times of a file or directory. */
export function touch(inode: Inode, at: NfsTime): void {
  inode.attributes = { ...inode.attributes, mtime: at, ctime: at };
}

/** The inode as a record; the inverse of `put`. */
export function recordOfInode(inode: Inode): InodeRecord {
  return {
    id: inode.id,
    kind: inode.kind,
    sizeBytes: inode.sizeBytes,
    ...inode.attributes,
    ...(inode.base && { base: inode.base }),
    ...(inode.verifier !== undefined && { verifier: inode.verifier }),
  };
}
