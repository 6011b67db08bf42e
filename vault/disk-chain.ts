// The chain of one disk at one job, as a map from block to record. Each job's index is complete: a tree of
// pages of which an in-file delta writes only those that changed, and points into the files before it for the
// rest. So finding a block takes the same few pages however many deltas the chain has, and each page is read
// when it is first needed.

import { BlockFile, type DiskContext } from './block-file.ts';
import {
  ABSENT,
  countStored,
  DIGEST_BYTES,
  decodePointer,
  digestPointer,
  type Footer,
  PAGE_BYTES,
  PAGE_FANOUT,
  type Pointer,
  pageIndex,
  positionInPage,
} from './block-file-format.ts';
import type { ChainFile } from './job-manifest.ts';
import { blockKey, type ImageCache, pageKey } from './loading-cache.ts';
import { Encoding, RecordKind } from './sealing.ts';
import { VaultError } from './vault-error.ts';

export class DiskChain {
  readonly footer: Footer;
  readonly #context: DiskContext;
  readonly #files: readonly ChainFile[];
  readonly #fileNumbers: readonly number[];
  readonly #cache: ImageCache;
  readonly #opened: (Promise<BlockFile> | undefined)[];

  private constructor(
    context: DiskContext,
    files: readonly ChainFile[],
    cache: ImageCache,
    newest: BlockFile,
  ) {
    this.#context = context;
    this.#files = files;
    this.#cache = cache;
    this.#fileNumbers = files.map((file) => cache.fileNumber(file.fileId));
    this.#opened = new Array<Promise<BlockFile> | undefined>(files.length).fill(undefined);
    this.#opened[files.length - 1] = Promise.resolve(newest);
    this.footer = newest.footer;
  }

  /** Opens the newest file of the chain; the others follow when a block in them is read. */
  static async open(
    context: DiskContext,
    files: readonly ChainFile[],
    cache: ImageCache,
  ): Promise<DiskChain> {
    const last = files.at(-1);
    if (last === undefined) throw new VaultError('ChainBroken', `Disk ${context.diskName} has no file.`);
    const newest = await BlockFile.open(context, last, files.length - 1);
    return new DiskChain(context, files, cache, newest);
  }

  get files(): readonly ChainFile[] {
    return this.#files;
  }

  /** The leaf page that covers the block: undefined when all of it is zeros. Answers at once when it is cached. */
  leafFor(blockNumber: number): Buffer | undefined | Promise<Buffer | undefined> {
    let pointer = this.footer.root;
    for (let level = this.footer.rootLevel; ; level -= 1) {
      if (pointer.encoding === Encoding.absent) return undefined;
      const key = pageKey(this.#fileNumber(pointer), level, pageIndex(blockNumber, level));
      const page = this.#cache.pages.peek(key);
      if (page === undefined) return this.#loadLeaf(blockNumber, level, pointer);
      if (level === 0) return page;
      pointer = decodePointer(page, positionInPage(pageIndex(blockNumber, level - 1)));
    }
  }

  /** Points to the page of `level` at `index`; undefined for a level above this chain's root. */
  async pagePointer(level: number, index: number): Promise<Pointer | undefined> {
    const { rootLevel, root } = this.footer;
    if (level > rootLevel) return undefined;
    if (level === rootLevel) return index === 0 ? root : ABSENT;
    const parent = await this.page(level + 1, Math.floor(index / PAGE_FANOUT));
    return parent === undefined ? ABSENT : decodePointer(parent, positionInPage(index));
  }

  /** The page of `level` at `index`; undefined when it is absent, or above this chain's root. */
  async page(level: number, index: number): Promise<Buffer | undefined> {
    const pointer = await this.pagePointer(level, index);
    if (pointer === undefined || pointer.encoding === Encoding.absent) return undefined;
    return this.#loadPage(level, index, pointer);
  }

  /** The digests of a leaf's blocks, one after another in the order of its stored blocks. */
  async digests(leafIndex: number, leaf: Buffer): Promise<Buffer> {
    const pointer = await this.pagePointer(0, leafIndex);
    const records = pointer === undefined ? undefined : digestPointer(leaf, pointer);
    if (records === undefined) return Buffer.alloc(0);
    const file = await this.#file(records.slot);
    return file.readPage(RecordKind.digestPage, leafIndex, 0, records, countStored(leaf) * DIGEST_BYTES);
  }

  /** A block's plain bytes if they are cached. */
  cachedBlock(blockNumber: number, pointer: Pointer): Buffer | undefined {
    return this.#cache.blocks.peek(blockKey(this.#fileNumber(pointer), blockNumber));
  }

  async block(blockNumber: number, pointer: Pointer): Promise<Buffer> {
    return this.#cache.blocks.get(blockKey(this.#fileNumber(pointer), blockNumber), async () => {
      const file = await this.#file(pointer.slot);
      return file.readBlock(blockNumber, pointer);
    });
  }

  /** The error for a stored block whose contents are not what the index says. */
  async corruptBlock(blockNumber: number, pointer: Pointer, problem: string): Promise<VaultError> {
    const file = await this.#file(pointer.slot);
    return file.corrupt(blockNumber, problem);
  }

  /** Reads nothing more; waits for what is being read. */
  async close(): Promise<void> {
    for (const opened of this.#opened) {
      const file = await opened?.catch(() => undefined);
      await file?.close();
    }
  }

  async #loadLeaf(blockNumber: number, fromLevel: number, from: Pointer): Promise<Buffer | undefined> {
    let pointer = from;
    for (let level = fromLevel; ; level -= 1) {
      if (pointer.encoding === Encoding.absent) return undefined;
      const page = await this.#loadPage(level, pageIndex(blockNumber, level), pointer);
      if (level === 0) return page;
      pointer = decodePointer(page, positionInPage(pageIndex(blockNumber, level - 1)));
    }
  }

  async #loadPage(level: number, index: number, pointer: Pointer): Promise<Buffer> {
    return this.#cache.pages.get(pageKey(this.#fileNumber(pointer), level, index), async () => {
      const file = await this.#file(pointer.slot);
      return file.readPage(RecordKind.mapPage + level, index, level, pointer, PAGE_BYTES);
    });
  }

  #fileNumber(pointer: Pointer): number {
    const number = this.#fileNumbers[pointer.slot];
    if (number === undefined) throw this.#noSuchSlot(pointer.slot);
    return number;
  }

  async #file(slot: number): Promise<BlockFile> {
    const opened = this.#opened[slot];
    if (opened !== undefined) return opened;
    const file = this.#files[slot];
    if (file === undefined) throw this.#noSuchSlot(slot);
    const opening = BlockFile.open(this.#context, file, slot);
    this.#opened[slot] = opening;
    opening.catch(() => {
      this.#opened[slot] = undefined;
    });
    return opening;
  }

  #noSuchSlot(slot: number): VaultError {
    return new VaultError(
      'ChainBroken',
      `The index of disk ${this.#context.diskName} of ${this.#context.vmName} points to file ${slot} of its chain, which has ${this.#files.length}.`,
    );
  }
}
