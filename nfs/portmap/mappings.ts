// Which RPC program listens on which port of this machine: what the portmapper tells. Our own entries stay; others on
// this machine may add theirs, a bounded number.

export const PORTMAP_PROGRAM = 100000;
export const PORTMAP_V2 = 2;

/** PMAP_PROT values: the protocol numbers of IP. */
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

const MAX_FOREIGN_MAPPINGS = 64;

export interface Mapping {
  readonly program: number;
  readonly version: number;
  readonly protocol: number;
  readonly port: number;
}

export class PortMappings {
  readonly #own: readonly Mapping[];
  #foreign: Mapping[] = [];

  constructor(own: readonly Mapping[]) {
    this.#own = own;
  }

  list(): Mapping[] {
    return [...this.#own, ...this.#foreign];
  }

  /**
   * The port of a program, or 0. Another version's port does when that version is not there, as RFC 1833, section
   * 3.2, has it: the program itself then tells which versions it speaks.
   */
  port(program: number, version: number, protocol: number): number {
    const all = this.list().filter((entry) => entry.program === program && entry.protocol === protocol);
    return (all.find((entry) => entry.version === version) ?? all[0])?.port ?? 0;
  }

  /** False when the program, version and protocol are mapped to another port already, or too many are. */
  set(mapping: Mapping): boolean {
    const existing = this.list().find(
      ({ program, version, protocol }) =>
        program === mapping.program && version === mapping.version && protocol === mapping.protocol,
    );
    if (existing !== undefined) return existing.port === mapping.port;
    if (this.#foreign.length >= MAX_FOREIGN_MAPPINGS) return false;
    this.#foreign.push(mapping);
    return true;
  }

  /** Forgets a program's version, whatever the protocol; false when it was none that somebody else had set. */
  unset(program: number, version: number): boolean {
    const kept = this.#foreign.filter((entry) => entry.program !== program || entry.version !== version);
    const hasChanged = kept.length < this.#foreign.length;
    this.#foreign = kept;
    return hasChanged;
  }
}
