// The files of an overlay's root directory as they were at one moment, read while writes go on.
//
// Taking it costs a few operations per file and no copy of what they hold: each page table keeps aside what is
// changed from then on (page-table.ts), and the log files of that moment stay (segments.ts). It is one instant
// between records of the log: every write that was acknowledged is in it, and of the others only what the log
// holds before it. Memory: at most the page tables of that moment once more, 2 MiB per GiB that was written.
//
// It is of this process alone. Nothing of it is on disk: after a crash it is gone, and with it all that it held.
import { type Awaitable } from '../../nfs/index.ts';
import { PAGE_BYTES } from './limits.ts';
import { ABSENT } from './location.ts';
import { OverlayError } from './overlay-error.ts';
import { CHUNK_PAGES, type FrozenPages } from './page-table.ts';
import { type BaseReader, type FileContent, readContent } from './read-content.ts';
import { type Segments } from './segments.ts';
import { type Inode, type Tree } from './tree.ts';

/** Changes are told in stretches of so many pages: 64 KiB. */
const GRAIN_PAGES = 16;
const GRAIN_BYTES = GRAIN_PAGES * PAGE_BYTES;
/** The longest that is told at once, 64 MiB: whoever walks through the changes can pause between two. */
const MAX_RANGE_GRAINS = 1024;
const CHUNK_GRAINS = CHUNK_PAGES / GRAIN_PAGES;

export interface FrozenFile extends FileContent {
  readonly name: string;
  readonly pages: FrozenPages;
}

export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface FrozenViewOptions {
  readonly tree: Tree;
  readonly directory: Inode;
  readonly segments: Segments;
  readonly base: BaseReader;
  readonly onRelease: () => void;
}

export class FrozenView implements Disposable {
  /** By name; directories are not among them. */
  readonly files: ReadonlyMap<string, FrozenFile>;
  readonly #segments: Segments;
  readonly #base: BaseReader;
  readonly #frozen: readonly Inode[];
  readonly #onRelease: () => void;
  #state: 'open' | 'released' | 'givenUp' = 'open';

  /** Takes the moment in which it is called. No other view of the overlay may be open. */
  constructor({ tree, directory, segments, base, onRelease }: FrozenViewOptions) {
    this.#segments = segments;
    this.#base = base;
    this.#onRelease = onRelease;
    const files = new Map<string, FrozenFile>();
    const frozen: Inode[] = [];
    for (const [name, { id }] of directory.children) {
      const inode = tree.inodes.get(id);
      if (inode?.kind !== 'file') continue;
      const { sizeBytes, base: under, pages } = inode;
      files.set(name, { name, sizeBytes, base: under, pages: pages.freeze() });
      frozen.push(inode);
    }
    segments.pin();
    this.files = files;
    this.#frozen = frozen;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** At most `countBytes` from `offsetBytes`. Throws OverlayError NoSpace when it was given up, Closed after its end. */
  read(
    file: FrozenFile,
    offsetBytes: number,
    countBytes: number,
  ): Awaitable<{ bytes: Buffer; eof: boolean }> {
    this.#assertOpen();
    return readContent(file, offsetBytes, countBytes, this.#segments, this.#base);
  }

  /**
   * Where the file may differ from the first `baseBytes` of the image under it, zeros beyond: in order, each once, in
   * multiples of 64 KiB but for the file's end, 64 MiB at most. Starts at `fromBytes`, a multiple of 64 KiB.
   */
  *changes(file: FrozenFile, baseBytes: number, fromBytes = 0): Generator<ByteRange> {
    let start: number | undefined;
    let end = 0;
    for (const grain of this.#changedGrains(file, baseBytes, fromBytes / GRAIN_BYTES)) {
      if (start !== undefined && grain === end && end - start < MAX_RANGE_GRAINS) {
        end += 1;
        continue;
      }
      if (start !== undefined) yield rangeOf(file, start, end);
      start = grain;
      end = grain + 1;
    }
    if (start !== undefined) yield rangeOf(file, start, end);
  }

  /** Lets go of what it holds; nothing is read afterwards. */
  release(): void {
    this.#end('released');
  }

  /** The same, because writes need the room. */
  giveUp(): void {
    this.#end('givenUp');
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Numbers of the stretches that were written or cut off, in order. */
  *#changedGrains(file: FrozenFile, baseBytes: number, from: number): Generator<number> {
    // What was cut off once and grew back shows zeros, without a page that says so.
    const cutFrom = Math.min(file.base?.sizeBytes ?? 0, baseBytes);
    const grains = Math.ceil(file.sizeBytes / GRAIN_BYTES);
    for (const chunk of chunksOf(file, cutFrom, baseBytes)) {
      const end = Math.min((chunk + 1) * CHUNK_GRAINS, grains);
      for (let grain = Math.max(chunk * CHUNK_GRAINS, from); grain < end; grain += 1) {
        this.#assertOpen();
        const isCut = cutFrom < baseBytes && (grain + 1) * GRAIN_BYTES > cutFrom;
        if ((isCut && grain * GRAIN_BYTES < baseBytes) || isWritten(file, grain)) yield grain;
      }
    }
  }

  #end(state: 'released' | 'givenUp'): void {
    if (this.#state !== 'open') return;
    this.#state = state;
    for (const { pages } of this.#frozen) pages.thaw();
    this.#segments.unpin();
    this.#onRelease();
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    if (this.#state === 'released') throw new OverlayError('Closed', 'The view of that moment was closed.');
    throw new OverlayError(
      'NoSpace',
      'The session’s changes reached the space that is reserved for them, so the view of an earlier moment was ' +
        'given up for the guest’s writes. Take it again when the guest writes less, or with a larger reserve.',
    );
  }
}

/** Numbers of the chunks in which something may have changed, in order. */
function chunksOf(file: FrozenFile, cutFrom: number, baseBytes: number): Uint32Array {
  const written = file.pages.chunkNumbers();
  if (cutFrom >= baseBytes) return written;
  const numbers = new Set(written);
  const chunkBytes = CHUNK_PAGES * PAGE_BYTES;
  for (let chunk = Math.floor(cutFrom / chunkBytes); chunk * chunkBytes < baseBytes; chunk += 1) {
    numbers.add(chunk);
  }
  return Uint32Array.from(numbers).sort();
}

function isWritten(file: FrozenFile, grain: number): boolean {
  const first = grain * GRAIN_PAGES;
  for (let page = first; page < first + GRAIN_PAGES; page += 1) {
    if (file.pages.get(page) !== ABSENT) return true;
  }
  return false;
}

function rangeOf({ sizeBytes }: FrozenFile, start: number, end: number): ByteRange {
  const offsetBytes = start * GRAIN_BYTES;
  return { offsetBytes, lengthBytes: Math.min(end * GRAIN_BYTES, sizeBytes) - offsetBytes };
}
