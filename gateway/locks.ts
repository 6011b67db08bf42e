// Named locks for the site's workers: mounting and unmounting on one host must not happen at once. Held in memory
// only, for as long as the holder's connection stands, so a worker that dies leaves none behind. Served in the
// order of asking.
import { GatewayError } from './gateway-error.ts';

/** Who waits for one lock. */
const MAX_WAITING = 256;

interface Waiting {
  readonly holder: string;
  readonly grant: () => void;
}

export class Locks {
  /** Per name: the first one holds it. */
  readonly #queues = new Map<string, Waiting[]>();

  /** Calls `grant` when the lock is held. The answer gives it back, or stops waiting. Throws Unexpected when too many wait. */
  acquire(name: string, holder: string, grant: () => void): () => void {
    const queue = this.#queues.get(name) ?? [];
    if (queue.length > MAX_WAITING) {
      throw new GatewayError(
        'Unexpected',
        `${queue.length} wait for '${name}', held by ${queue[0]?.holder ?? 'nobody'}.`,
      );
    }
    this.#queues.set(name, queue);
    const waiting = { holder, grant };
    queue.push(waiting);
    if (queue.length === 1) grant();
    return () => {
      this.#leave(name, queue, waiting);
    };
  }

  #leave(name: string, queue: Waiting[], waiting: Waiting): void {
    const at = queue.indexOf(waiting);
    if (at === -1) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(name);
    else if (at === 0) queue[0]?.grant();
  }
}
