// A bounded cache of bytes that loads what it lacks, once: whoever asks for a key that is being loaded waits
// for that load. The least recently used go first. A load that failed is not remembered.

export class LoadingCache {
  readonly #limitBytes: number;
  readonly #entries = new Map<number, Buffer>();
  readonly #loading = new Map<number, Promise<Buffer>>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The bytes if they are here, without waiting. */
  peek(key: number): Buffer | undefined {
    const bytes = this.#entries.get(key);
    if (bytes === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, bytes);
    return bytes;
  }

  get(key: number, load: () => Promise<Buffer>): Promise<Buffer> {
    const here = this.peek(key);
    if (here !== undefined) return Promise.resolve(here);
    const underWay = this.#loading.get(key);
    if (underWay !== undefined) return underWay;
    const loading = load()
      .then((bytes) => {
        this.#add(key, bytes);
        return bytes;
      })
      .finally(() => this.#loading.delete(key));
    this.#loading.set(key, loading);
    return loading;
  }

  #add(key: number, bytes: Buffer): void {
    this.#entries.set(key, bytes);
    this.#bytes += bytes.byteLength;
    for (const [oldest, dropped] of this.#entries) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= dropped.byteLength;
    }
  }
}

const DEFAULT_BLOCKS_BYTES = 64 * 1024 * 1024;
const DEFAULT_PAGES_BYTES = 32 * 1024 * 1024;
/** Room for a block's number, or a page's level and index, below a file's number in a key. */
const NUMBERS_PER_FILE = 2 ** 32;
const PAGES_PER_LEVEL = 2 ** 28;

/** Plain blocks and index pages of every image that shares it; a block that two chains share is held once. */
export class ImageCache {
  readonly blocks: LoadingCache;
  readonly pages: LoadingCache;
  readonly #fileNumbers = new Map<string, number>();

  constructor(blocksBytes = DEFAULT_BLOCKS_BYTES, pagesBytes = DEFAULT_PAGES_BYTES) {
    this.blocks = new LoadingCache(blocksBytes);
    this.pages = new LoadingCache(pagesBytes);
  }

  /** A small number for a file, the same for the cache's life. */
  fileNumber(fileId: string): number {
    const known = this.#fileNumbers.get(fileId);
    if (known !== undefined) return known;
    const next = this.#fileNumbers.size;
    this.#fileNumbers.set(fileId, next);
    return next;
  }
}

export const blockKey = (fileNumber: number, blockNumber: number): number =>
  fileNumber * NUMBERS_PER_FILE + blockNumber;

export const pageKey = (fileNumber: number, level: number, index: number): number =>
  fileNumber * NUMBERS_PER_FILE + level * PAGES_PER_LEVEL + index;
