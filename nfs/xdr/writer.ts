// Writes XDR (RFC 4506) for a socket. Small items go one after the other into a slab; the data of a READ goes in by
// reference, between two pieces of the slab. What comes out is a list of chunks for one writev: no copy of file
// data, and no buffer per reply. A slab is never written twice, so chunks stay valid while the kernel drains them.
import { padded } from './reader.ts';

/** Room for some 300 replies without data. */
const SLAB_BYTES = 64 * 1024;

/** Below this, copying costs less than another entry in the writev. */
const SMALLEST_REFERENCE_BYTES = 1024;

/** Something that writes itself: a reply, or a part of one. */
export type Encode = (writer: XdrWriter) => void;

/** A place to come back to; see `rollback`. */
export interface WriterMark {
  readonly slab: Buffer;
  readonly start: number;
  readonly offset: number;
  readonly chunkCount: number;
  readonly sealedBytes: number;
}

export class XdrWriter {
  readonly #slabBytes: number;
  #slab: Buffer;
  /** Where the part of the slab begins that is in no chunk yet, and where it ends. */
  #start = 0;
  #offset = 0;
  #chunks: Uint8Array[] = [];
  #sealedBytes = 0;

  constructor(slabBytes = SLAB_BYTES) {
    this.#slabBytes = slabBytes;
    this.#slab = Buffer.allocUnsafeSlow(slabBytes);
  }

  /** Bytes that were written and not yet taken. */
  get length(): number {
    return this.#sealedBytes + this.#offset - this.#start;
  }

  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#slab.writeUInt32BE(value, at);
  }

  boolean(value: boolean): void {
    this.uint32(value ? 1 : 0);
  }

  /** A safe integer as uint64. */
  uint64(value: number): void {
    const at = this.#reserve(8);
    const lower = value % 0x1_0000_0000;
    this.#slab.writeUInt32BE((value - lower) / 0x1_0000_0000, at);
    this.#slab.writeUInt32BE(lower, at + 4);
  }

  /** opaque[n]: copied, and filled up with zeros. */
  fixedOpaque(bytes: Uint8Array): void {
    const room = padded(bytes.length);
    const at = this.#reserve(room);
    this.#slab.set(bytes, at);
    this.#slab.fill(0, at + bytes.length, at + room);
  }

  /** opaque<>: copied. */
  opaque(bytes: Uint8Array): void {
    this.uint32(bytes.length);
    this.fixedOpaque(bytes);
  }

  string(text: string): void {
    this.opaque(Buffer.from(text, 'utf8'));
  }

  /** opaque<> by reference: the bytes must stay as they are until the socket has sent them. */
  opaqueReference(bytes: Uint8Array): void {
    if (bytes.length < SMALLEST_REFERENCE_BYTES) {
      this.opaque(bytes);
      return;
    }
    this.uint32(bytes.length);
    this.#seal();
    this.#chunks.push(bytes);
    this.#sealedBytes += bytes.length;
    for (let fill = bytes.length; fill % 4 !== 0; fill += 1) this.#slab[this.#reserve(1)] = 0;
  }

  /** Writes a record of RFC 5531, section 11: the mark with the length, then what `encode` writes. */
  record(encode: Encode): void {
    const at = this.#reserve(4);
    const slab = this.#slab;
    const before = this.length;
    encode(this);
    slab.writeUInt32BE(LAST_FRAGMENT + this.length - before, at);
  }

  mark(): WriterMark {
    return {
      slab: this.#slab,
      start: this.#start,
      offset: this.#offset,
      chunkCount: this.#chunks.length,
      sealedBytes: this.#sealedBytes,
    };
  }

  /** Forgets everything that was written since the mark. */
  rollback(mark: WriterMark): void {
    this.#slab = mark.slab;
    this.#start = mark.start;
    this.#offset = mark.offset;
    this.#chunks.length = mark.chunkCount;
    this.#sealedBytes = mark.sealedBytes;
  }

  /** Hands over what was written, in order, and starts anew. */
  take(): Uint8Array[] {
    this.#seal();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#sealedBytes = 0;
    return chunks;
  }

  #reserve(count: number): number {
    if (this.#offset + count > this.#slab.length) this.#nextSlab(count);
    const at = this.#offset;
    this.#offset = at + count;
    return at;
  }

  #nextSlab(count: number): void {
    this.#seal();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, count));
    this.#start = 0;
    this.#offset = 0;
  }

  #seal(): void {
    if (this.#offset === this.#start) return;
    this.#chunks.push(this.#slab.subarray(this.#start, this.#offset));
    this.#sealedBytes += this.#offset - this.#start;
    this.#start = this.#offset;
  }
}

const LAST_FRAGMENT = 0x8000_0000;

/** What `encode` writes, in one buffer; for messages that are kept or sent by themselves. */
export function encodeBytes(encode: Encode): Buffer {
  const writer = new XdrWriter(1024);
  encode(writer);
  return Buffer.concat(writer.take());
}
