// An overlay: the files of one export, as a tree whose content is image where nothing was written, and log where
// something was. The log (log.ts) is what is durable; the tree (tree.ts) is what it says; the names are in
// names.ts; checkpoints and compaction, which keep it small and quick to open, in maintenance.ts.
//
// Content is kept in pages of 4 KiB. A write of whole pages goes straight to the log. One that begins or ends
// inside a page holds that page, reads it, merges and appends; whoever writes there meanwhile waits.
import { type Awaitable, type NfsTime } from '../../nfs/index.ts';
import { loadCheckpoint } from './checkpoint.ts';
import { nextTime } from './clock.ts';
import { FrozenView } from './frozen-view.ts';
import { MAX_QUEUED_BYTES, MAX_RECORD_PAGES, PAGE_BYTES } from './limits.ts';
import { ABSENT, ZERO } from './location.ts';
import { Log } from './log.ts';
import { Maintenance } from './maintenance.ts';
import { assertSize, Names } from './names.ts';
import { OverlayError } from './overlay-error.ts';
import { type BaseReader, readContent } from './read-content.ts';
import { type LogRecord, type PagesRecord } from './record.ts';
import { replay } from './recovery.ts';
import { Segments } from './segments.ts';
import { type Storage } from './storage.ts';
import { type Inode, ROOT_ID, Tree, touch } from './tree.ts';

export interface OverlayOptions {
  readonly storage: Storage;
  /** 32 bytes, of this overlay alone. Without it nothing of the overlay can ever be read again. */
  readonly key: Uint8Array;
  /** What the overlay may take on the gateway's disk. */
  readonly quotaBytes: number;
  readonly base: BaseReader;
  /** Lowest file id that may be given; for a root whose earlier files are gone. */
  readonly firstId?: number;
  /** It was made before: where nothing is, all of it is lost, and none is made. */
  readonly mustExist?: boolean;
  /** Told of errors that no request is answered with: the log gave up, a compaction met damage. */
  readonly onProblem: (error: Error) => void;
}

const ROOT_MODE = 0o755;
const zeroPage = Buffer.alloc(PAGE_BYTES);

export class Overlay {
  readonly names: Names;
  readonly #options: OverlayOptions;
  readonly #tree: Tree;
  readonly #segments: Segments;
  readonly #log: Log;
  readonly #maintenance: Maintenance;
  #frozen: FrozenView | undefined;

  private constructor(
    options: OverlayOptions,
    tree: Tree,
    segments: Segments,
    state: { end: { number: number; lengthBytes: number }; checkpointBytes: number; replayedBytes: number },
  ) {
    this.#options = options;
    this.#tree = tree;
    this.#segments = segments;
    this.#log = new Log({
      storage: options.storage,
      overlayKey: options.key,
      segments,
      end: state.end,
      onDurable: (record, location) => {
        applyRecord(tree, segments, record, location);
        this.#maintenance.afterRecord();
      },
      onFailed: options.onProblem,
    });
    this.#maintenance = new Maintenance({
      storage: options.storage,
      overlayKey: options.key,
      quotaBytes: options.quotaBytes,
      tree,
      segments,
      log: this.#log,
      checkpointBytes: state.checkpointBytes,
      replayedBytes: state.replayedBytes,
      movePages: (inode, firstPage, pages, from) => this.#movePages(inode, firstPage, pages, from),
      unpin: () => this.#giveUpView(),
      onProblem: options.onProblem,
    });
    this.names = new Names(tree, {
      append: (effects) => this.#log.append({ kind: 'names', effects }, undefined),
      resize: (inode, sizeBytes) => this.#resize(inode, sizeBytes),
    });
  }

  /** Opens what is in the storage, or makes an empty overlay there. Throws OverlayError Corrupt, NoSpace, Failed. */
  static async open(options: OverlayOptions): Promise<Overlay> {
    const { storage, key } = options;
    const segments = new Segments(storage, key);
    let counting = false;
    const tree = new Tree((location) => {
      if (counting) segments.release(location);
    }, options.firstId ?? 0);
    const checkpoint = await loadCheckpoint(storage, key, tree);
    for (const [number, lengthBytes] of checkpoint?.segments ?? []) segments.add(number, lengthBytes);
    let replayedBytes = 0;
    const end = await replay({
      storage,
      overlayKey: key,
      from: checkpoint?.end ?? { number: 0, lengthBytes: 0 },
      onSegment: (number, lengthBytes) => {
        segments.add(number, lengthBytes);
        replayedBytes += lengthBytes;
      },
      onRecord: (record, location) => applyRecord(tree, undefined, record, location),
    });
    await settle(tree, segments);
    if (tree.inodes.size === 0 && options.mustExist === true) throw lost(storage);
    counting = true;
    const overlay = new Overlay(options, tree, segments, {
      end,
      checkpointBytes: checkpoint?.bytes ?? 0,
      replayedBytes,
    });
    if (tree.inodes.size === 0) await overlay.#makeRoot();
    return overlay;
  }

  get root(): Inode {
    const root = this.#tree.inodes.get(ROOT_ID);
    if (root === undefined)
      throw new OverlayError('Corrupt', `${this.#options.storage.path} has no root directory.`);
    return root;
  }

  /** From now on; what it takes already stays, however small the quota. */
  setQuota(quotaBytes: number): void {
    this.#maintenance.setQuota(quotaBytes);
  }

  /** What the overlay takes on disk, in bytes. */
  get diskBytes(): number {
    return this.#segments.logBytes + this.#maintenance.checkpointBytes;
  }

  /** No file was given this id, nor a later one. */
  get nextId(): number {
    return this.#tree.nextId;
  }

  /** Why nothing more can be written, if so. */
  get failed(): OverlayError | undefined {
    return this.#log.failed;
  }

  inode(id: number): Inode | undefined {
    return this.#tree.inodes.get(id);
  }

  /** At most `countBytes` from `offsetBytes`. At once when no I/O is needed. */
  read(inode: Inode, offsetBytes: number, countBytes: number): Awaitable<{ bytes: Buffer; eof: boolean }> {
    return readContent(inode, offsetBytes, countBytes, this.#segments, this.#options.base);
  }

  /** Resolves when the bytes are durable. They may not change until then. Throws FBIG. */
  write(inode: Inode, offsetBytes: number, bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength === 0) return Promise.resolve();
    const endBytes = offsetBytes + bytes.byteLength;
    assertSize(endBytes);
    const aligned = offsetBytes % PAGE_BYTES === 0 && endBytes % PAGE_BYTES === 0;
    if (
      !aligned ||
      inode.locks.conflict(offsetBytes / PAGE_BYTES, endBytes / PAGE_BYTES) !== undefined ||
      this.#log.queuedBytes > MAX_QUEUED_BYTES ||
      !this.#maintenance.fits(bytes.byteLength)
    ) {
      return this.#mergeWrite(inode, offsetBytes, bytes);
    }
    return this.#appendPages(inode, offsetBytes / PAGE_BYTES, bytes, endBytes, nextTime());
  }

  /** Every write that was begun is durable when it resolves. */
  commit(): Promise<void> {
    return this.#log.barrier();
  }

  /** The files of the root directory as they are now, to be read while writes go on. Undefined while there is one already. */
  freeze(): FrozenView | undefined {
    if (this.#frozen !== undefined) return undefined;
    this.#frozen = new FrozenView({
      tree: this.#tree,
      directory: this.root,
      segments: this.#segments,
      base: this.#options.base,
      onRelease: () => {
        this.#frozen = undefined;
        this.#maintenance.afterUnpin();
      },
    });
    return this.#frozen;
  }

  /** Writes a checkpoint now, so that the next start is quick. */
  checkpoint(): Promise<void> {
    return this.#maintenance.checkpoint();
  }

  /** Moves what lives out of the sparsest log files, and removes them. */
  compact(): Promise<void> {
    return this.#maintenance.compact();
  }

  /** Writes what was begun, and a checkpoint where one is of use; then closes every file. */
  async close(): Promise<void> {
    await this.#maintenance.close();
    this.#frozen?.release();
    await this.#maintenance.leaveCheckpoint();
    await this.#closeFiles();
  }

  /** Closes every file of an overlay that is to be deleted. */
  async discard(): Promise<void> {
    await this.#maintenance.close();
    this.#frozen?.release();
    await this.#closeFiles();
  }

  #giveUpView(): boolean {
    const view = this.#frozen;
    view?.giveUp();
    return view !== undefined;
  }

  async #closeFiles(): Promise<void> {
    await this.#log.close();
    await this.#segments.close();
  }

  async #makeRoot(): Promise<void> {
    const at = nextTime();
    const root = {
      id: ROOT_ID,
      kind: 'directory' as const,
      mode: ROOT_MODE,
      uid: 0,
      gid: 0,
      sizeBytes: PAGE_BYTES,
    };
    await this.#log.append(
      { kind: 'names', effects: [{ do: 'put', inode: { ...root, atime: at, mtime: at, ctime: at } }] },
      undefined,
    );
  }

  /** The way of a write that does not fill its pages, or has to wait for something. */
  async #mergeWrite(inode: Inode, offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await this.#log.room();
    await this.#maintenance.makeRoom(bytes.byteLength);
    const endBytes = offsetBytes + bytes.byteLength;
    const firstPage = Math.floor(offsetBytes / PAGE_BYTES);
    const endPage = Math.ceil(endBytes / PAGE_BYTES);
    const release = await inode.locks.hold(firstPage, endPage);
    let written: Promise<void>;
    try {
      // What was appended to these pages before takes effect first; then they are merged.
      await this.#log.barrier();
      const pages = Buffer.alloc((endPage - firstPage) * PAGE_BYTES);
      if (offsetBytes % PAGE_BYTES !== 0) await this.#fillPage(inode, firstPage, pages, 0);
      const tailAt = pages.byteLength - PAGE_BYTES;
      if (endBytes % PAGE_BYTES !== 0 && (tailAt > 0 || offsetBytes % PAGE_BYTES === 0)) {
        await this.#fillPage(inode, endPage - 1, pages, tailAt);
      }
      pages.set(bytes, offsetBytes - firstPage * PAGE_BYTES);
      this.#assertPresent(inode);
      written = this.#appendPages(inode, firstPage, pages, endBytes, nextTime());
    } finally {
      release();
    }
    await written;
  }

  async #fillPage(inode: Inode, page: number, into: Buffer, at: number): Promise<void> {
    const { bytes } = await this.read(inode, page * PAGE_BYTES, PAGE_BYTES);
    bytes.copy(into, at);
  }

  #assertPresent(inode: Inode): void {
    if (this.#tree.inodes.get(inode.id) !== inode)
      throw new OverlayError('Stale', `File ${inode.id} was removed.`);
  }

  /** Appends whole pages: runs of zeros without their bytes, the others in records of up to 16. */
  #appendPages(
    inode: Inode,
    firstPage: number,
    bytes: Uint8Array,
    endBytes: number,
    at: NfsTime,
    keepsTimes = false,
  ): Promise<void> {
    const total = bytes.byteLength / PAGE_BYTES;
    const appended: Promise<void>[] = [];
    for (let done = 0; done < total; ) {
      const zeros = isZeroPage(bytes, done);
      let pages = 1;
      while (done + pages < total && isZeroPage(bytes, done + pages) === zeros) {
        if (!zeros && pages === MAX_RECORD_PAGES) break;
        pages += 1;
      }
      const record: PagesRecord = {
        kind: zeros ? 'zeros' : 'data',
        fileId: inode.id,
        firstPage: firstPage + done,
        pages,
        endBytes,
        at,
        keepsTimes,
      };
      const payload = zeros ? undefined : bytes.subarray(done * PAGE_BYTES, (done + pages) * PAGE_BYTES);
      appended.push(this.#log.append(record, payload));
      done += pages;
    }
    const only = appended.length === 1 ? appended[0] : undefined;
    return only ?? Promise.all(appended).then(() => undefined);
  }

  /** Sets the size, durable on return. What is cut off reads as zeros if the file grows again. */
  async #resize(inode: Inode, sizeBytes: number): Promise<void> {
    const boundaryPage = Math.floor(sizeBytes / PAGE_BYTES);
    const release = await inode.locks.hold(boundaryPage, Infinity);
    let resized: Promise<void>;
    try {
      await this.#log.barrier();
      this.#assertPresent(inode);
      const at = nextTime();
      const zeroed = sizeBytes < inode.sizeBytes ? this.#zeroTail(inode, boundaryPage, sizeBytes) : undefined;
      await zeroed;
      resized = this.#log.append(
        { kind: 'names', effects: [{ do: 'size', id: inode.id, sizeBytes, at }] },
        undefined,
      );
    } finally {
      release();
    }
    await resized;
  }

  /** Zeroes the end of the page that the new end of the file lies in. An image under it is cut by the new size. */
  async #zeroTail(inode: Inode, page: number, sizeBytes: number): Promise<void> {
    if (sizeBytes % PAGE_BYTES === 0 || inode.pages.get(page) <= ZERO) return;
    const pages = Buffer.alloc(PAGE_BYTES);
    await this.#fillPage(inode, page, pages, 0);
    pages.fill(0, sizeBytes % PAGE_BYTES);
    await this.#appendPages(inode, page, pages, sizeBytes, inode.attributes.mtime, true);
  }

  /** Writes pages anew that are still where compaction found them. */
  async #movePages(
    inode: Inode,
    firstPage: number,
    pages: number,
    from: (location: number) => boolean,
  ): Promise<void> {
    const release = await inode.locks.hold(firstPage, firstPage + pages);
    const moved: Promise<void>[] = [];
    try {
      await this.#log.barrier();
      for (let page = firstPage; page < firstPage + pages; page++) {
        const location = inode.pages.get(page);
        if (this.#tree.inodes.get(inode.id) !== inode || !from(location)) continue;
        let count = 1;
        while (page + count < firstPage + pages && from(inode.pages.get(page + count))) count += 1;
        const bytes = Buffer.alloc(count * PAGE_BYTES);
        for (let at = 0; at < count; at++) {
          const record = await this.#segments.read(inode.pages.get(page + at));
          copyPage(record, inode.pages.get(page + at), bytes, at * PAGE_BYTES);
        }
        moved.push(this.#appendPages(inode, page, bytes, 0, inode.attributes.mtime, true));
        page += count - 1;
      }
    } finally {
      release();
    }
    await Promise.all(moved);
  }
}

function copyPage(record: Buffer, location: number, into: Buffer, at: number): void {
  const from = (location % MAX_RECORD_PAGES) * PAGE_BYTES;
  record.copy(into, at, from, from + PAGE_BYTES);
}

function isZeroPage(bytes: Uint8Array, page: number): boolean {
  const at = page * PAGE_BYTES;
  // Most pages that are not zero differ in their first or last byte: only then is a whole page compared.
  if (bytes[at] !== 0 || bytes[at + PAGE_BYTES - 1] !== 0) return false;
  return zeroPage.equals(bytes.subarray(at, at + PAGE_BYTES));
}

function lost(storage: Storage): OverlayError {
  return new OverlayError(
    'Corrupt',
    `${storage.path} is empty, and the session’s changes were in it. Nothing else is served in their place. Mount the disk ` +
      'that they lie on, or restore the folder from a copy, then start the gateway again; or stop the session to discard its changes.',
  );
}

/** What a durable record does to the tree, at run time and at replay. Locations are counted where `segments` is given. */
function applyRecord(tree: Tree, segments: Segments | undefined, record: LogRecord, location: number): void {
  if (record.kind === 'names') {
    for (const effect of record.effects) tree.apply(effect);
    return;
  }
  const inode = tree.inodes.get(record.fileId);
  if (inode === undefined) return;
  const released = (old: number): void => segments?.release(old);
  const { firstPage, pages } = record;
  // Zeros need a mark only where an image or an older page would show.
  const coveredPages = Math.ceil((inode.base?.sizeBytes ?? 0) / PAGE_BYTES);
  for (let index = 0; index < pages; index++) {
    const page = firstPage + index;
    if (record.kind === 'data') {
      inode.pages.set(page, location + index, released);
      segments?.retain(location + index);
    } else {
      inode.pages.set(page, page < coveredPages ? ZERO : ABSENT, released);
    }
  }
  if (record.endBytes > inode.sizeBytes) inode.sizeBytes = record.endBytes;
  if (!record.keepsTimes) touch(inode, record.at);
}

/** After replay: counts what lives where, and makes sure that every log file that is needed is there and whole. */
async function settle(tree: Tree, segments: Segments): Promise<void> {
  for (const inode of tree.inodes.values()) {
    for (const [, locations] of inode.pages.chunks()) {
      for (const location of locations) if (location > ZERO) segments.retain(location);
    }
  }
  await segments.verifyFiles();
}
