// How hosts write to the files of one volume, by how stable they ask a WRITE to be. In memory, for whoever wants to
// know how a host behaves; nothing depends on it.

/** Files that are counted; writes to more are not. */
const MAX_FILES = 4096;

export interface WriteCount {
  /** FILE_SYNC and DATA_SYNC. */
  readonly stable: number;
  readonly unstable: number;
}

const NONE: WriteCount = { stable: 0, unstable: 0 };

export class WriteCounts {
  readonly #files = new Map<number, { stable: number; unstable: number }>();

  observe(fileId: number, stable: boolean): void {
    let count = this.#files.get(fileId);
    if (count === undefined) {
      if (this.#files.size === MAX_FILES) return;
      count = { ...NONE };
      this.#files.set(fileId, count);
    }
    if (stable) count.stable += 1;
    else count.unstable += 1;
  }

  of(fileId: number): WriteCount {
    return this.#files.get(fileId) ?? NONE;
  }
}
