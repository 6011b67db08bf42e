// Who mounted what, as MOUNT's DUMP tells it. RFC 1813 itself calls the list a hint: it is kept in memory, bounded,
// and nothing depends on it.

/** Beyond it the oldest entries go. */
const MAX_MOUNTS = 1024;

export interface MountEntry {
  readonly address: string;
  readonly path: string;
}

export class MountTable {
  /** In the order of their coming. */
  readonly #entries = new Map<string, MountEntry>();

  add(entry: MountEntry): void {
    const key = keyOf(entry);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= MAX_MOUNTS) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }

  remove(entry: MountEntry): void {
    this.#entries.delete(keyOf(entry));
  }

  removeAll(address: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.address === address) this.#entries.delete(key);
    }
  }

  list(): MountEntry[] {
    return [...this.#entries.values()];
  }
}

function keyOf(entry: MountEntry): string {
  return `${entry.address} ${entry.path}`;
}
