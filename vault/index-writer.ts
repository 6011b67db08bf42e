// Writes the index of one disk while its blocks go by in order, and holds one page per level. A page is sealed
// when it is full, behind what it describes; one that equals the earlier job's is not written: its parent points
// to the earlier one. An unchanged disk so writes no page at all.
import {
  ABSENT,
  decodePointer,
  encodePointer,
  PAGE_BYTES,
  PAGE_FANOUT,
  type Pointer,
  positionInPage,
} from './block-file-format.ts';
import type { DiskChain } from './disk-chain.ts';
import { RecordKind } from './sealing.ts';

/** Seals a record and appends it to the file; says where it lies. */
export type AppendRecord = (
  kind: number,
  number: number,
  plain: Uint8Array,
  compress: boolean,
) => Promise<Pointer>;

interface OpenPage {
  readonly bytes: Buffer;
  index: number;
  filled: number;
}

const EMPTY_PAGE = Buffer.alloc(PAGE_BYTES);

export class IndexWriter {
  readonly #append: AppendRecord;
  readonly #previous: DiskChain | undefined;
  readonly #levels: OpenPage[];
  #root: Pointer = ABSENT;

  constructor(rootLevel: number, append: AppendRecord, previous: DiskChain | undefined) {
    this.#append = append;
    this.#previous = previous;
    this.#levels = Array.from({ length: rootLevel + 1 }, () => ({
      bytes: Buffer.alloc(PAGE_BYTES),
      index: 0,
      filled: 0,
    }));
  }

  /** The next leaf, in order, and the digests of its stored blocks one after another. */
  async addLeaf(leaf: Buffer, digests: () => Buffer): Promise<void> {
    const open = this.#level(0);
    const pointer = await this.#place(0, open.index, leaf, digests);
    open.index += 1;
    await this.#raise(0, pointer);
  }

  /** The next leaf, in order, is the earlier job's. */
  async keepLeaf(): Promise<void> {
    const open = this.#level(0);
    const pointer = await this.#previous?.pagePointer(0, open.index);
    open.index += 1;
    await this.#raise(0, pointer ?? ABSENT);
  }

  /** The pointer to the root page, once every leaf was added. */
  async finish(): Promise<Pointer> {
    for (let level = 1; level < this.#levels.length; level += 1) {
      if (this.#level(level).filled > 0) await this.#close(level);
    }
    return this.#root;
  }

  async #raise(level: number, pointer: Pointer): Promise<void> {
    if (level + 1 === this.#levels.length) {
      this.#root = pointer;
      return;
    }
    const parent = this.#level(level + 1);
    encodePointer(pointer, parent.bytes, positionInPage(parent.filled));
    parent.filled += 1;
    if (parent.filled === PAGE_FANOUT) await this.#close(level + 1);
  }

  async #close(level: number): Promise<void> {
    const page = this.#level(level);
    const pointer = await this.#place(level, page.index, page.bytes, undefined);
    page.index += 1;
    page.filled = 0;
    page.bytes.fill(0);
    await this.#raise(level, pointer);
  }

  async #place(
    level: number,
    index: number,
    page: Buffer,
    digests: (() => Buffer) | undefined,
  ): Promise<Pointer> {
    if (page.equals(EMPTY_PAGE)) return ABSENT;
    const earlier = await this.#previous?.page(level, index);
    if (earlier?.equals(page) === true) {
      const pointer = await this.#previous?.pagePointer(level, index);
      if (pointer !== undefined) return pointer;
    }
    const pointer = await this.#append(RecordKind.mapPage + level, index, page, true);
    if (digests !== undefined) await this.#append(RecordKind.digestPage, index, digests(), false);
    return pointer;
  }

  #level(level: number): OpenPage {
    const page = this.#levels[level];
    if (page === undefined) throw new RangeError(`the index has no level ${level}`);
    return page;
  }
}

/** Writes a block's pointer into a leaf that is being filled. */
export function setBlock(leaf: Buffer, blockNumber: number, pointer: Pointer): void {
  encodePointer(pointer, leaf, positionInPage(blockNumber));
}

/** The pointer of a block in a leaf; ABSENT where there is no leaf. */
export function blockIn(leaf: Buffer | undefined, blockNumber: number): Pointer {
  return leaf === undefined ? ABSENT : decodePointer(leaf, positionInPage(blockNumber));
}
