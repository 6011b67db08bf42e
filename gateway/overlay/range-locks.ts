// Who changes a range of a file step by step (read, merge, write) holds it; whoever writes into it meanwhile
// waits. Almost always nobody holds anything, and asking costs one comparison.

interface Held {
  readonly from: number;
  readonly to: number;
  readonly released: Promise<void>;
}

export class RangeLocks {
  #held: Held[] = [];

  /** What to wait for before touching pages `from` (inclusive) to `to` (exclusive); undefined when they are free. */
  conflict(from: number, to: number): Promise<void> | undefined {
    if (this.#held.length === 0) return undefined;
    return this.#held.find((held) => held.from < to && from < held.to)?.released;
  }

  /** Waits until the range is free, then holds it. The answer lets it go. */
  async hold(from: number, to: number): Promise<() => void> {
    for (;;) {
      const conflict = this.conflict(from, to);
      if (conflict === undefined) break;
      await conflict;
    }
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const held = { from, to, released: promise };
    this.#held.push(held);
    return () => {
      this.#held = this.#held.filter((other) => other !== held);
      resolve(undefined);
    };
  }
}
