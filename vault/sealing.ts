// How bytes become a sealed record and back: zstd when it makes them smaller, then AES-256-GCM under a key
// that belongs to one file alone. A record's nonce is its kind and number; within a file each pair is used
// once, so under one key no nonce repeats, and a record moved to another place or another file does not open.
// Source: docs/vault-format.md, "Sealed records"; RFC 5869 (HKDF), NIST SP 800-38D (GCM).
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
export const NONCE_BYTES = 12;
export const SALT_BYTES = 16;

/** Fast, and within a few per cent of the slower ones on disks' contents. */
const ZSTD_LEVEL = 3;

/** What a record is; the first byte of its nonce. */
export const RecordKind = { block: 0x00, mapPage: 0x10, digestPage: 0x20, footer: 0x30 } as const;

/** How a record's plain bytes were encoded before sealing; `absent` marks zeros, for which no record exists. */
export const Encoding = { absent: 0, raw: 1, zstd: 2 } as const;
export type Encoding = (typeof Encoding)[keyof typeof Encoding];
type StoredEncoding = Exclude<Encoding, 0>;

export interface SealedRecord {
  readonly encoding: StoredEncoding;
  /** Ciphertext without the tag. */
  readonly ciphertext: Uint8Array;
  /** 16 bytes that follow the ciphertext. */
  readonly tag: Uint8Array;
}

/** A key of its own for one purpose and one salt: HKDF-SHA-256 of the set's key. */
export function deriveKey(setKey: Uint8Array, salt: Uint8Array, purpose: string): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', setKey, salt, purpose, KEY_BYTES)));
}

/** Seals and opens the records of one block file. */
export class RecordSealer {
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  readonly #associated: Buffer;

  constructor(setKey: Uint8Array, fileId: Uint8Array) {
    this.#key = deriveKey(setKey, fileId, 'rundirect block file v1');
    this.#associated = Buffer.alloc(fileId.byteLength + 5);
    this.#associated.set(fileId);
  }

  /** `compress` false: the bytes are known not to shrink. */
  seal(kind: number, number: number, plain: Uint8Array, compress = true): SealedRecord {
    const compressed = compress ? zstd(plain) : plain;
    const encoding = compressed.byteLength < plain.byteLength ? Encoding.zstd : Encoding.raw;
    this.#address(kind, number, encoding, plain.byteLength);
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce);
    cipher.setAAD(this.#associated);
    const ciphertext = cipher.update(encoding === Encoding.zstd ? compressed : plain);
    cipher.final();
    return { encoding, ciphertext, tag: cipher.getAuthTag() };
  }

  /**
   * The plain bytes of a record (ciphertext and tag). Throws when it does not authenticate, or does not decode to
   * exactly `plainBytes`.
   */
  open(kind: number, number: number, encoding: Encoding, plainBytes: number, record: Uint8Array): Buffer {
    if (record.byteLength <= TAG_BYTES) throw new Error('the record is too short');
    const end = record.byteLength - TAG_BYTES;
    this.#address(kind, number, encoding, plainBytes);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#associated);
    decipher.setAuthTag(record.subarray(end));
    const encoded = decipher.update(record.subarray(0, end));
    decipher.final();
    const plain = encoding === Encoding.zstd ? unzstd(encoded, plainBytes) : encoded;
    if (plain.byteLength !== plainBytes) throw new Error('the record has another length than it should');
    return plain;
  }

  #address(kind: number, number: number, encoding: Encoding, plainBytes: number): void {
    this.#nonce[0] = kind;
    this.#nonce.writeUIntLE(number, 4, 6);
    const at = this.#associated.byteLength - 5;
    this.#associated[at] = encoding;
    this.#associated.writeUInt32LE(plainBytes, at + 1);
  }
}

export function zstd(plain: Uint8Array): Buffer {
  return zstdCompressSync(plain, {
    chunkSize: Math.max(plain.byteLength, 1024),
    pledgedSrcSize: plain.byteLength,
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
  });
}

/** Throws when the frame is damaged or holds more than `limitBytes`. */
export function unzstd(frame: Uint8Array, limitBytes: number): Buffer {
  return zstdDecompressSync(frame, { chunkSize: Math.max(limitBytes, 1024), maxOutputLength: limitBytes });
}
