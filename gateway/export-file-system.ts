// What the NFS server serves: the shares, as its file-system port wants them. Stateless but for the write verifier:
// names and content are the overlays', what is on view is in shares.ts.
//
// Writes are on stable storage when they are answered, UNSTABLE ones too: group commit makes that cheap, and
// COMMIT then has nothing left to do but wait for what is on its way.
import { randomBytes } from 'node:crypto';
import {
  type Attributes,
  type Awaitable,
  type Caller,
  type CreateMode,
  type DirectoryEntry,
  type FileSystem,
  type FileSystemTotals,
  Nfs3Error,
  Nfs3Status,
  type NfsTime,
  type SetAttributes,
} from '../nfs/index.ts';
import { decodeHandle, encodeHandle, fileidOf } from './file-handle.ts';
import { type Inode, OverlayError, PAGE_BYTES, ROOT_ID } from './overlay/index.ts';
import { type Share, type Shares, type Volume } from './shares.ts';

export interface ExportNode {
  readonly volume: Volume;
  readonly inode: Inode;
}

export interface ExportFileSystemOptions {
  readonly shares: Shares;
  /** Of the state folder; in every handle. */
  readonly instance: number;
  readonly totals: (share: Share) => Promise<FileSystemTotals>;
}

const DOT_COOKIE = 1;
const DOT_DOT_COOKIE = 2;
/** Sessions come after the files at a share's root. */
const FIRST_SESSION_COOKIE = 2 ** 40;
/** Configuration, descriptors, firmware's settings. */
const MAX_SMALL_FILE_BYTES = 2 ** 20;

export class ExportFileSystem implements FileSystem<ExportNode> {
  readonly writeVerifier = new Uint8Array(randomBytes(8));
  readonly #shares: Shares;
  readonly #instance: number;
  readonly #totals: ExportFileSystemOptions['totals'];

  constructor({ shares, instance, totals }: ExportFileSystemOptions) {
    this.#shares = shares;
    this.#instance = instance;
    this.#totals = totals;
  }

  /** A share, or (as clients other than ESXi like it) the directory of one of its sessions. */
  mount(path: string, caller: Caller): ExportNode {
    const { share, rest } = this.#shares.at(path) ?? {};
    if (share?.root === undefined) throw noSuchExport(path);
    if (!share.allows(caller.address)) throw notAllowed(share, caller);
    const node = rest === '' ? rootOf(share.root) : sessionNode(share.root, rest ?? '');
    if (node === undefined) throw noSuchExport(path);
    return node;
  }

  exports(caller: Caller): string[] {
    return [...this.#shares.all()]
      .filter((share) => share.root !== undefined && share.allows(caller.address))
      .map((share) => share.path);
  }

  handle({ volume, inode }: ExportNode): Uint8Array {
    return encodeHandle(this.#instance, { volume: volume.number, file: inode.id });
  }

  resolve(handle: Uint8Array, caller: Caller): ExportNode {
    const { volume: number, file } = decodeHandle(this.#instance, handle);
    const volume = this.#shares.volume(number);
    if (volume === undefined) {
      if (this.#shares.isBroken(number)) throw notRestored();
      throw new Nfs3Error(Nfs3Status.STALE, 'The export was dropped.');
    }
    if (!volume.share.allows(caller.address)) throw notAllowed(volume.share, caller);
    const inode = volume.overlay.inode(file);
    if (inode === undefined) throw new Nfs3Error(Nfs3Status.STALE, 'The file was removed.');
    volume.fence.refuse(inode);
    return { volume, inode };
  }

  attributes({ volume, inode }: ExportNode): Attributes {
    const { mode, uid, gid, atime, mtime, ctime } = inode.attributes;
    const isDirectory = inode.kind === 'directory';
    return {
      kind: inode.kind,
      mode,
      nlink: isDirectory ? 2 : 1,
      uid,
      gid,
      sizeBytes: inode.sizeBytes,
      usedBytes: usedBytes(inode),
      fsid: volume.share.root?.number ?? volume.number,
      fileid: fileidOf({ volume: volume.number, file: inode.id }),
      atime,
      mtime,
      ctime,
    };
  }

  setAttributes(
    { volume, inode }: ExportNode,
    changes: SetAttributes,
    guardCtime: NfsTime | undefined,
  ): Promise<void> {
    refuseReadOnly(volume);
    return answered(volume.overlay.names.setAttributes(inode, changes, guardCtime));
  }

  lookup(directory: ExportNode, name: string): ExportNode {
    const { volume } = directory;
    if (isRoot(directory)) {
      const found = name === '..' ? parentOfRoot(volume) : sessionNode(volume, name);
      if (found !== undefined) return found;
    }
    const inode = volume.overlay.names.lookup(directory.inode, name);
    volume.fence.refuse(inode);
    return { volume, inode };
  }

  readlink(): never {
    throw new Nfs3Error(Nfs3Status.INVAL, 'That is no symbolic link.');
  }

  read(
    { volume, inode }: ExportNode,
    offsetBytes: number,
    countBytes: number,
  ): Awaitable<{ bytes: Uint8Array; eof: boolean }> {
    const read = () => {
      const result = volume.overlay.read(inode, offsetBytes, countBytes);
      return result instanceof Promise ? answered(result) : result;
    };
    const turn = isLarge(inode)
      ? volume.readLimit.turn(Math.max(0, Math.min(countBytes, inode.sizeBytes - offsetBytes)))
      : undefined;
    return turn === undefined ? read() : turn.then(read);
  }

  write(
    { volume, inode }: ExportNode,
    offsetBytes: number,
    bytes: Uint8Array,
    stable: boolean,
  ): Promise<void> {
    refuseReadOnly(volume);
    volume.writes.observe(inode.id, stable);
    if (isLarge(inode)) volume.readLimit.break();
    return answered(volume.overlay.write(inode, offsetBytes, bytes));
  }

  commit({ volume }: ExportNode): Promise<void> {
    return answered(volume.overlay.commit());
  }

  create(directory: ExportNode, name: string, mode: CreateMode): Promise<ExportNode> {
    refuseReadOnly(directory.volume);
    refuseSessionName(directory, name, Nfs3Status.EXIST);
    refuseFenced(directory, name);
    return this.#made(directory, directory.volume.overlay.names.create(directory.inode, name, mode));
  }

  mkdir(directory: ExportNode, name: string, attributes: SetAttributes): Promise<ExportNode> {
    refuseReadOnly(directory.volume);
    refuseSessionName(directory, name, Nfs3Status.EXIST);
    return this.#made(directory, directory.volume.overlay.names.mkdir(directory.inode, name, attributes));
  }

  remove(directory: ExportNode, name: string): Promise<void> {
    refuseReadOnly(directory.volume);
    refuseSessionName(directory, name, Nfs3Status.ISDIR);
    refuseFenced(directory, name);
    return answered(directory.volume.overlay.names.remove(directory.inode, name));
  }

  rmdir(directory: ExportNode, name: string): Promise<void> {
    refuseReadOnly(directory.volume);
    refuseSessionName(directory, name, Nfs3Status.ACCES);
    refuseFenced(directory, name);
    return answered(directory.volume.overlay.names.rmdir(directory.inode, name));
  }

  rename(from: ExportNode, fromName: string, to: ExportNode, toName: string): Promise<void> {
    refuseReadOnly(from.volume);
    refuseReadOnly(to.volume);
    refuseSessionName(from, fromName, Nfs3Status.ACCES);
    refuseSessionName(to, toName, Nfs3Status.ACCES);
    refuseFenced(from, fromName);
    refuseFenced(to, toName);
    if (from.volume !== to.volume) {
      throw new Nfs3Error(Nfs3Status.XDEV, 'A file can’t move from one session’s directory to another.');
    }
    return answered(from.volume.overlay.names.rename(from.inode, fromName, to.inode, toName));
  }

  symlink(): never {
    throw new Nfs3Error(Nfs3Status.NOTSUPP, 'Symbolic links are not kept here.');
  }

  link(): never {
    throw new Nfs3Error(Nfs3Status.NOTSUPP, 'Hard links are not kept here.');
  }

  readdir(
    directory: ExportNode,
    cookie: number,
    limit: number,
  ): { entries: DirectoryEntry<ExportNode>[]; end: boolean } {
    const entries: DirectoryEntry<ExportNode>[] = [];
    for (const entry of entriesAfter(directory, cookie, (name) => this.lookup(directory, name))) {
      if (entries.length === limit) return { entries, end: false };
      entries.push(entry);
    }
    return { entries, end: true };
  }

  totals({ volume }: ExportNode): Promise<FileSystemTotals> {
    return this.#totals(volume.share);
  }

  async #made({ volume }: ExportNode, made: Promise<Inode>): Promise<ExportNode> {
    return { volume, inode: await answered(made) };
  }
}

function* entriesAfter(
  directory: ExportNode,
  cookie: number,
  lookup: (name: string) => ExportNode,
): Generator<DirectoryEntry<ExportNode>> {
  const { volume, inode } = directory;
  if (cookie < DOT_COOKIE) yield { name: '.', node: directory, cookie: DOT_COOKIE };
  if (cookie < DOT_DOT_COOKIE) yield { name: '..', node: lookup('..'), cookie: DOT_DOT_COOKIE };
  for (const entry of volume.overlay.names.entriesAfter(inode, cookie)) {
    if (volume.fence.has(entry.inode)) continue;
    yield { name: entry.name, node: { volume, inode: entry.inode }, cookie: entry.cookie };
  }
  if (!isShareRoot(directory)) return;
  // Volumes are counted up, so this is the order in which the sessions were published.
  const sessions = [...volume.share.sessions()].sort(([, a], [, b]) => a.volumeNumber - b.volumeNumber);
  for (const [name, session] of sessions) {
    const sessionCookie = FIRST_SESSION_COOKIE + session.volumeNumber;
    if (session.volume === undefined || sessionCookie <= cookie) continue;
    yield { name, node: rootOf(session.volume), cookie: sessionCookie };
  }
}

const rootOf = (volume: Volume): ExportNode => ({ volume, inode: volume.overlay.root });
const isRoot = ({ inode }: ExportNode): boolean => inode.id === ROOT_ID;
const isShareRoot = (node: ExportNode): boolean => isRoot(node) && node.volume.sessionId === undefined;

function parentOfRoot(volume: Volume): ExportNode | undefined {
  const root = volume.share.root;
  return volume.sessionId === undefined || root === undefined ? undefined : rootOf(root);
}

function sessionNode(volume: Volume, name: string): ExportNode | undefined {
  const session = volume.sessionId === undefined ? volume.share.session(name) : undefined;
  if (session === undefined) return undefined;
  if (session.volume === undefined) throw notRestored();
  return rootOf(session.volume);
}

/** A session's directory comes and goes with its export: no host makes, moves or removes it. */
function refuseSessionName(directory: ExportNode, name: string, status: Exclude<Nfs3Status, 0>): void {
  if (!isShareRoot(directory) || directory.volume.share.session(name) === undefined) return;
  throw new Nfs3Error(status, `'${name}' is a session’s directory: it goes when the session is stopped.`);
}

/** What is behind the fence keeps its name: nothing else takes its place. */
function refuseFenced({ volume, inode }: ExportNode, name: string): void {
  volume.fence.refuse(volume.overlay.names.find(inode, name));
}

function refuseReadOnly({ share, sessionId }: Volume): void {
  if (!share.isReadOnly(sessionId)) return;
  throw new Nfs3Error(Nfs3Status.ROFS, `${share.path} can be read, and not changed.`);
}

/** What can be a disk's data; descriptors and the like are never held back. */
const isLarge = ({ sizeBytes }: Inode): boolean => sizeBytes > MAX_SMALL_FILE_BYTES;

function usedBytes(inode: Inode): number {
  const storedBytes = inode.pages.stored * PAGE_BYTES;
  return inode.kind === 'file' && inode.base === undefined ? storedBytes : inode.sizeBytes;
}

function noSuchExport(path: string): Nfs3Error {
  return new Nfs3Error(Nfs3Status.NOENT, `Nothing is exported at ${path}.`);
}

function notAllowed(share: Share, caller: Caller): Nfs3Error {
  return new Nfs3Error(Nfs3Status.ACCES, `${caller.address} may not use ${share.path}.`);
}

function notRestored(): Nfs3Error {
  return new Nfs3Error(
    Nfs3Status.IO,
    'The export could not be restored; `rundirect gateway status` says why.',
  );
}

/** The answer, with the overlay's errors as NFS knows them. */
function answered<T>(result: Promise<T>): Promise<T> {
  return result.catch((error: unknown) => {
    throw error instanceof OverlayError ? asNfs3Error(error) : error;
  });
}

function asNfs3Error(error: OverlayError): Nfs3Error {
  const status = {
    NoSpace: Nfs3Status.NOSPC,
    Corrupt: Nfs3Status.IO,
    Failed: Nfs3Status.IO,
    Stale: Nfs3Status.STALE,
    // The gateway ends, and is asked again when it is back; or the export was dropped, which the handle tells then.
    Closed: Nfs3Status.JUKEBOX,
  } as const;
  return new Nfs3Error(status[error.code], error.message, { cause: error });
}
