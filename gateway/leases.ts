// Which session needs which datastore on which host. Durable: whoever unmounts asks first, also after a restart.
import { join } from 'node:path';
import { z } from 'zod';
import { type Lease, leaseSchema } from './control-api.ts';
import { StateFile } from './state-file.ts';

const leasesSchema = z.array(leaseSchema);

export class Leases {
  readonly #file: StateFile<Lease[]>;

  private constructor(file: StateFile<Lease[]>) {
    this.#file = file;
  }

  static async open(stateDirectory: string): Promise<Leases> {
    return new Leases(await StateFile.open(join(stateDirectory, 'leases.json'), leasesSchema, () => []));
  }

  all(): readonly Lease[] {
    return this.#file.value;
  }

  /** Answers every lease on that datastore of that host. */
  async take(lease: Lease): Promise<Lease[]> {
    const all = await this.#file.update((leases) =>
      leases.some((other) => isSame(other, lease)) ? leases : [...leases, lease],
    );
    return all.filter((other) => isBeside(other, lease));
  }

  /** Answers those that are left on that datastore of that host. */
  async release(lease: Lease): Promise<Lease[]> {
    const all = await this.#file.update((leases) => leases.filter((other) => !isSame(other, lease)));
    return all.filter((other) => isBeside(other, lease));
  }
}

function isBeside(a: Lease, b: Lease): boolean {
  return a.host === b.host && a.datastore === b.datastore;
}

function isSame(a: Lease, b: Lease): boolean {
  return isBeside(a, b) && a.sessionId === b.sessionId;
}
