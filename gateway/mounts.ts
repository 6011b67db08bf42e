// Who mounted what, as seen by the MOUNT calls that arrived. In memory: a host that stays mounted does not call again.
import { type MountObservation } from './control-api.ts';

/** Pairs of target and address; the oldest are forgotten. */
const MAX_OBSERVATIONS = 1024;

export class Mounts {
  readonly #last = new Map<string, MountObservation>();

  observe(targetId: string, address: string): void {
    const key = `${targetId} ${address}`;
    this.#last.delete(key);
    this.#last.set(key, { targetId, address, at: new Date().toISOString() });
    const oldest = this.#last.keys().next();
    if (this.#last.size > MAX_OBSERVATIONS && oldest.done !== true) this.#last.delete(oldest.value);
  }

  all(): MountObservation[] {
    return [...this.#last.values()];
  }
}
