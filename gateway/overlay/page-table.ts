// Where each page of one file is: chunks of 256 locations (1 MiB of file, 2 KiB of memory), allocated when a page
// in them is first written. A disk that is changed all over costs 2 MiB of memory per GiB.
import { ABSENT, ZERO } from './location.ts';

export const CHUNK_PAGES = 256;

/** Told of each location in the log that no longer holds the file's data. */
export type Released = (location: number) => void;

export class PageTable {
  readonly #chunks = new Map<number, Float64Array>();
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
    if (chunk === undefined) {
      if (location === ABSENT) return;
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
      for (let at = from; at < CHUNK_PAGES; at++) this.#release(chunk[at] ?? ABSENT, released);
      if (from === 0) this.#chunks.delete(number);
      else chunk.fill(ABSENT, from);
    }
  }

  chunks(): IterableIterator<[number, Float64Array]> {
    return this.#chunks.entries();
  }

  /** For a table that is loaded: takes the chunk as it is. */
  putChunk(number: number, chunk: Float64Array): void {
    this.#chunks.set(number, chunk);
    for (const location of chunk) if (location > ZERO) this.#stored += 1;
  }

  #release(location: number, released: Released): void {
    if (location <= ZERO) return;
    this.#stored -= 1;
    released(location);
  }
}
