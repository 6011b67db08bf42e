// The port between the NFS server and what it serves. `gateway` implements it over exports; the tests
// implement it in memory. The server knows nothing of vaults, and an implementation nothing of XDR.
//
// A Node is whatever the implementation hands out for a file or directory; the server never looks inside.
// Every method may answer at once or with a promise: what sits in memory should answer at once, because a
// promise per GETATTR is a cost that the data path feels. Failures are thrown as Nfs3Error; any other error
// is a bug, is logged, and is answered NFS3ERR_SERVERFAULT.
//
// Numbers: sizes, offsets, file ids and cookies are safe integers (0 to 2^53 - 1); the XDR edge refuses others.
// Source: RFC 1813; limits that ESXi cares about are in docs/architecture of the gateway.

export type Awaitable<T> = T | Promise<T>;

/** nfsstat3 of RFC 1813, section 2.6: the ones that a file system may answer. */
export const Nfs3Status = {
  OK: 0,
  PERM: 1,
  NOENT: 2,
  IO: 5,
  NXIO: 6,
  ACCES: 13,
  EXIST: 17,
  XDEV: 18,
  NODEV: 19,
  NOTDIR: 20,
  ISDIR: 21,
  INVAL: 22,
  FBIG: 27,
  NOSPC: 28,
  ROFS: 30,
  MLINK: 31,
  NAMETOOLONG: 63,
  NOTEMPTY: 66,
  DQUOT: 69,
  STALE: 70,
  REMOTE: 71,
  BADHANDLE: 10001,
  NOT_SYNC: 10002,
  BAD_COOKIE: 10003,
  NOTSUPP: 10004,
  TOOSMALL: 10005,
  SERVERFAULT: 10006,
  BADTYPE: 10007,
  JUKEBOX: 10008,
} as const;
export type Nfs3Status = (typeof Nfs3Status)[keyof typeof Nfs3Status];

/** What a file system throws to answer a procedure with an nfsstat3 other than NFS3_OK. */
export class Nfs3Error extends Error {
  override readonly name = 'Nfs3Error';
  readonly status: Exclude<Nfs3Status, 0>;
  constructor(status: Exclude<Nfs3Status, 0>, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** nfstime3: seconds and nanoseconds since 1970, both uint32. No Date on the data path. */
export interface NfsTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export type FileKind = 'file' | 'directory' | 'symlink';

/** fattr3 without what the server fills in itself (fsid comes from the node, rdev is always 0). */
export interface Attributes {
  readonly kind: FileKind;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Bytes that the file takes on stable storage; what `du` shows. */
  readonly usedBytes: number;
  readonly fsid: number;
  /** Unique in its file system, never reused, the same after every restart. */
  readonly fileid: number;
  readonly atime: NfsTime;
  readonly mtime: NfsTime;
  readonly ctime: NfsTime;
}

/** sattr3: what is absent stays as it is. */
export interface SetAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
  sizeBytes?: number;
  atime?: NfsTime | 'server';
  mtime?: NfsTime | 'server';
}

/** How CREATE treats a name that exists: RFC 1813, section 3.3.8. The verifier is 8 bytes, compared on retry. */
export type CreateMode =
  | { readonly how: 'unchecked' | 'guarded'; readonly attributes: SetAttributes }
  | { readonly how: 'exclusive'; readonly verifier: Uint8Array };

export interface DirectoryEntry<Node> {
  readonly name: string;
  readonly node: Node;
  /** Where to go on after this entry; stable while the entry exists, never 0. */
  readonly cookie: number;
}

export interface FileSystemTotals {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
}

/** Who asks: the peer's address as the socket knows it, and the AUTH_SYS credentials where it sent any. */
export interface Caller {
  readonly address: string;
  readonly uid: number;
  readonly gid: number;
}

export interface FileSystem<Node> {
  /** MOUNT: the root of the export at `path`. Throws ACCES for a caller not allowed, NOENT for no such export. */
  mount(path: string, caller: Caller): Awaitable<Node>;
  /** The paths that MOUNT EXPORT lists to this caller. */
  exports(caller: Caller): string[];

  /** The handle of a node: at most 64 bytes, the same for the life of the file, across restarts. */
  handle(node: Node): Uint8Array;
  /** The node of a handle. Throws STALE when it is gone, BADHANDLE when it never was one, ACCES for the wrong caller. */
  resolve(handle: Uint8Array, caller: Caller): Node;

  /** As they are now: an object that was handed out does not change later. Throws STALE when the node is gone. */
  attributes(node: Node): Attributes;
  /** `guardCtime`: throws NOT_SYNC unless it is the file's ctime (guarded SETATTR). Durable on return. */
  setAttributes(node: Node, changes: SetAttributes, guardCtime: NfsTime | undefined): Awaitable<void>;

  /** `name` may be '.' or '..'. Throws NOENT. */
  lookup(directory: Node, name: string): Awaitable<Node>;
  readlink(node: Node): Awaitable<string>;

  /**
   * At most `countBytes` from `offsetBytes`; fewer only at the end of the file. `eof` tells that the read reached it.
   * The bytes belong to the caller until it has sent them: an implementation does not reuse the buffer.
   */
  read(node: Node, offsetBytes: number, countBytes: number): Awaitable<{ bytes: Uint8Array; eof: boolean }>;
  /**
   * Writes all bytes. With `stable`, resolves when they are on stable storage; without it may resolve before,
   * and `commit` makes them durable. The bytes are the caller's: valid until the promise settles, not after.
   */
  write(node: Node, offsetBytes: number, bytes: Uint8Array, stable: boolean): Awaitable<void>;
  /** Everything written to the file so far is on stable storage when it resolves. */
  commit(node: Node): Awaitable<void>;

  /** Atomic; durable on return, like every call below. */
  create(directory: Node, name: string, mode: CreateMode): Awaitable<Node>;
  mkdir(directory: Node, name: string, attributes: SetAttributes): Awaitable<Node>;
  symlink(directory: Node, name: string, target: string, attributes: SetAttributes): Awaitable<Node>;
  remove(directory: Node, name: string): Awaitable<void>;
  rmdir(directory: Node, name: string): Awaitable<void>;
  /** Atomic; replaces a file (or an empty directory) at the new name. */
  rename(fromDirectory: Node, fromName: string, toDirectory: Node, toName: string): Awaitable<void>;
  link(node: Node, directory: Node, name: string): Awaitable<void>;

  /** Entries after `cookie` (0: from the start), '.' and '..' included, in an order that stays. `limit` bounds the answer. */
  readdir(
    directory: Node,
    cookie: number,
    limit: number,
  ): Awaitable<{ entries: DirectoryEntry<Node>[]; end: boolean }>;

  totals(node: Node): Awaitable<FileSystemTotals>;

  /** 8 bytes that change whenever unstable writes may have been lost: each start of the server process. */
  readonly writeVerifier: Uint8Array;
}
