// Takes RPC records out of a TCP stream (RFC 5531, section 11). A record that lies in one piece of the stream comes
// out as a view of it; one that spans several is copied once, into a buffer of its size. Bounded: the bytes and the
// fragments of a record. What breaks a bound throws NfsServerError MessageMalformed: the stream can't be resumed.
import { NfsServerError } from '../nfs-server-error.ts';

const HEADER_BYTES = 4;
const LAST_FRAGMENT = 0x8000_0000;

/** Clients in use send one fragment; the standard allows any number, this many are plenty. */
const MAX_FRAGMENTS = 64;

export class RecordReader {
  readonly #maxRecordBytes: number;
  /** The stream's bytes that were not looked at yet. */
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;
  /** The fragment's header, as far as it came. */
  #header = 0;
  #headerBytes = 0;
  /** The record so far, where it spans pieces or fragments. */
  #record: Buffer | undefined;
  #filledBytes = 0;
  #fragments = 0;

  constructor(maxRecordBytes: number) {
    this.#maxRecordBytes = maxRecordBytes;
  }

  /** Adds what the socket read. Records that were not taken before stay first. */
  push(piece: Buffer): void {
    const rest = this.#piece.subarray(this.#at);
    this.#piece = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    this.#at = 0;
  }

  /** The next whole record, or undefined until more of the stream is pushed. */
  next(): Buffer | undefined {
    while (this.#readHeader()) {
      const isLast = this.#header >= LAST_FRAGMENT;
      const record = this.#readFragment(this.#header % LAST_FRAGMENT, isLast);
      if (record === undefined) return undefined;
      this.#headerBytes = 0;
      this.#header = 0;
      if (isLast) {
        this.#record = undefined;
        this.#filledBytes = 0;
        this.#fragments = 0;
        return record;
      }
    }
    return undefined;
  }

  #readHeader(): boolean {
    if (this.#headerBytes === HEADER_BYTES) return true;
    while (this.#headerBytes < HEADER_BYTES) {
      if (this.#at === this.#piece.length) return false;
      this.#header = this.#header * 256 + this.#piece.readUInt8(this.#at);
      this.#at += 1;
      this.#headerBytes += 1;
    }
    this.#fragments += 1;
    const recordBytes = this.#recordBytes() + (this.#header % LAST_FRAGMENT);
    if (recordBytes > this.#maxRecordBytes || this.#fragments > MAX_FRAGMENTS) {
      throw new NfsServerError(
        'MessageMalformed',
        `RPC record of ${recordBytes} bytes in ${this.#fragments} fragments: at most ${this.#maxRecordBytes} bytes in ${MAX_FRAGMENTS} are taken`,
      );
    }
    return true;
  }

  /** The bytes of the fragments before the one at hand. */
  #recordBytes(): number {
    return this.#record?.length ?? 0;
  }

  /** The record up to the end of this fragment, or undefined while bytes of it are missing. */
  #readFragment(fragmentBytes: number, isLast: boolean): Buffer | undefined {
    if (this.#record === undefined) {
      const end = this.#at + fragmentBytes;
      if (isLast && end <= this.#piece.length) {
        const record = this.#piece.subarray(this.#at, end);
        this.#at = end;
        return record;
      }
    }
    const record = this.#growRecord(fragmentBytes);
    const taken = this.#piece.copy(record, this.#filledBytes, this.#at);
    this.#at += taken;
    this.#filledBytes += taken;
    if (this.#filledBytes < record.length) return undefined;
    return record;
  }

  /** Makes room for the fragment when it begins; a fragment under way keeps its buffer. */
  #growRecord(fragmentBytes: number): Buffer {
    if (this.#record !== undefined && this.#filledBytes < this.#record.length) return this.#record;
    const grown = Buffer.allocUnsafeSlow(this.#filledBytes + fragmentBytes);
    this.#record?.copy(grown);
    this.#record = grown;
    return grown;
  }
}
