// Reads XDR (RFC 4506) from a message that lies in one buffer. Opaque data comes out as views into it: nothing is
// copied. A message that ends too early or claims more than its limit throws NfsServerError MessageMalformed.
import { NfsServerError } from '../nfs-server-error.ts';

/** The highest upper half of a uint64 that a safe integer can hold: 2^53 - 1 = 0x1fffff_ffffffff. */
const HIGHEST_SAFE_UPPER_HALF = 0x1fffff;

export class XdrReader {
  readonly #bytes: Buffer;
  #offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  /** What was not read yet, as a view. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#offset);
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  boolean(): boolean {
    const value = this.uint32();
    if (value > 1) throw malformed(`a boolean of ${value}`);
    return value === 1;
  }

  /** A uint64 as a number: exact up to 2^53 - 1, Infinity above, so that each caller can say what is too much. */
  uint64(): number {
    const at = this.#advance(8);
    const upper = this.#bytes.readUInt32BE(at);
    if (upper > HIGHEST_SAFE_UPPER_HALF) return Infinity;
    return upper * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
  }

  /** opaque[length]: a view. */
  fixedOpaque(length: number): Buffer {
    const at = this.#advance(padded(length));
    return this.#bytes.subarray(at, at + length);
  }

  /** opaque<limit> or the bytes of string<limit>: a view. */
  opaque(limit: number): Buffer {
    const length = this.uint32();
    if (length > limit) throw malformed(`${length} bytes where at most ${limit} are allowed`);
    return this.fixedOpaque(length);
  }

  #advance(count: number): number {
    const at = this.#offset;
    if (at + count > this.#bytes.length) {
      throw malformed(`${count} bytes wanted at offset ${at}, the message has ${this.#bytes.length}`);
    }
    this.#offset = at + count;
    return at;
  }
}

/** XDR fills every item up to a multiple of four bytes. */
export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function malformed(what: string): NfsServerError {
  return new NfsServerError('MessageMalformed', `XDR message malformed: ${what}`);
}
