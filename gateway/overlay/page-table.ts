// Where each page of one file is: chunks of 256 locations (1 MiB of file, 2 KiB of memory), allocated when a page
// in them is first written. A disk that is changed all over costs 2 MiB of memory per GiB.
import { ABSENT, ZERO } from './location.ts';

export const CHUNK_PAGES = 256;

/** Told of each location in the log that no longer holds the file's data. */
export type Released = (location: number) => void;

/** A table as it was at one moment. */
export interface FrozenPages {
  get(page: number): number;
  /** In order; a chunk that is not among them has no page that was written. */
  chunkNumbers(): Uint32Array;
}

export class PageTable {
  readonly #chunks = new Map<number, Float64Array>();
  /** While the table is frozen: the chunks that were changed since, as they were then; undefined for one that was not there. */
  #before: Map<number, Float64Array | undefined> | undefined;
  #stored = 0;

  /** Pages that are in the log. */
  get stored(): number {
    return this.#stored;
  }

  get(page: number): number {
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    return chunk === undefined ? ABSENT : (chunk[page % CHUNK_PAGES] ?? ABSENT);
  }

  set(page: number, location: number, released: Released): void {
    const number = Math.floor(page / CHUNK_PAGES);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined && location === ABSENT) return;
    this.#preserve(number, chunk);
    if (chunk === undefined) {
      chunk = new Float64Array(CHUNK_PAGES);
      this.#chunks.set(number, chunk);
    }
    const at = page % CHUNK_PAGES;
    this.#release(chunk[at] ?? ABSENT, released);
    if (location > ZERO) this.#stored += 1;
    chunk[at] = location;
  }

  /** Forgets every page from `firstPage` on. */
  truncate(firstPage: number, released: Released): void {
    const firstChunk = Math.floor(firstPage / CHUNK_PAGES);
    for (const [number, chunk] of this.#chunks) {
      if (number < firstChunk) continue;
      const from = number === firstChunk ? firstPage % CHUNK_PAGES : 0;
      if (from === 0) this.#keep(number, chunk);
      else this.#preserve(number, chunk);
      for (let at = from; at < CHUNK_PAGES; at++) this.#release(chunk[at] ?? ABSENT, released);
      if (from === 0) this.#chunks.delete(number);
      else chunk.fill(ABSENT, from);
    }
  }

  chunks(): IterableIterator<[number, Float64Array]> {
    return this.#chunks.entries();
  }

  /**
   * Keeps what the table says now to be read, at no cost but a copy of each chunk that is changed from here on. One
   * at a time, until `thaw`.
   */
  freeze(): FrozenPages {
    if (this.#before !== undefined) throw new Error('the page table is frozen already');
    const before = new Map<number, Float64Array | undefined>();
    this.#before = before;
    const chunkThen = (number: number): Float64Array | undefined =>
      before.has(number) ? before.get(number) : this.#chunks.get(number);
    let numbers: Uint32Array | undefined;
    return {
      get: (page) => chunkThen(Math.floor(page / CHUNK_PAGES))?.[page % CHUNK_PAGES] ?? ABSENT,
      chunkNumbers: () => (numbers ??= this.#numbersThen(before)),
    };
  }

  /** Lets go of what `freeze` kept. */
  thaw(): void {
    this.#before = undefined;
  }

  /** For a table that is loaded: takes the chunk as it is. */
  putChunk(number: number, chunk: Float64Array): void {
    this.#chunks.set(number, chunk);
    for (const location of chunk) if (location > ZERO) this.#stored += 1;
  }

  /** In order. There are a hundred thousand of them where 100 GiB were written: a typed array is sorted without a pause. */
  #numbersThen(before: ReadonlyMap<number, Float64Array | undefined>): Uint32Array {
    const numbers: number[] = [];
    for (const number of this.#chunks.keys()) {
      if (!before.has(number) || before.get(number) !== undefined) numbers.push(number);
    }
    for (const [number, chunk] of before) {
      if (chunk !== undefined && !this.#chunks.has(number)) numbers.push(number);
    }
    return Uint32Array.from(numbers).sort();
  }

  /** Before a chunk is changed. */
  #preserve(number: number, chunk: Float64Array | undefined): void {
    if (this.#before === undefined || this.#before.has(number)) return;
    this.#before.set(number, chunk?.slice());
  }

  /** Before a chunk goes: nobody changes it any more. */
  #keep(number: number, chunk: Float64Array): void {
    if (this.#before?.has(number) === false) this.#before.set(number, chunk);
  }

  #release(location: number, released: Released): void {
    if (location <= ZERO) return;
    this.#stored -= 1;
    released(location);
  }
}
