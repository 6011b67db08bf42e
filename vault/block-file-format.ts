// The fixed parts of a block file: header, pointers, index geometry, footer. Little-endian throughout; every
// byte has one right value or is sealed, so that damage anywhere is noticed.
// Source: docs/vault-format.md, "Block files".
import { Encoding, type Encoding as EncodingValue, TAG_BYTES } from './sealing.ts';
import { VaultError } from './vault-error.ts';

export const DEFAULT_BLOCK_SIZE_BYTES = 64 * 1024;
export const MIN_BLOCK_SIZE_BYTES = 4 * 1024;
export const MAX_BLOCK_SIZE_BYTES = 1024 * 1024;
/** VMFS stops at 62 TiB. */
export const MAX_DISK_BYTES = 64 * 1024 ** 4;

export const FILE_ID_BYTES = 16;
export const HEADER_BYTES = 64;
export const DIGEST_BYTES = 32;
export const POINTER_BYTES = 16;
/** Pointers in a page; a power of two, so that a page of level L covers 2^(10 × (L + 1)) blocks. */
export const PAGE_FANOUT = 1024;
const PAGE_FANOUT_BITS = 10;
export const PAGE_BYTES = PAGE_FANOUT * POINTER_BYTES;
const FOOTER_PLAIN_BYTES = 32;
const END_MAGIC = Buffer.from('RDBLKEND');
/** The sealed footer and the end mark, always the last bytes of the file. */
export const TAIL_BYTES = FOOTER_PLAIN_BYTES + TAG_BYTES + END_MAGIC.byteLength;
export const FOOTER_RECORD_BYTES = FOOTER_PLAIN_BYTES + TAG_BYTES;
export { FOOTER_PLAIN_BYTES };

const MAGIC = Buffer.from('RDBLOCKS');
const VERSION = 1;

/** Where a record lies: which file of the chain, where in it, and how it was encoded. */
export interface Pointer {
  readonly slot: number;
  readonly offsetBytes: number;
  /** Of the record: ciphertext and tag. */
  readonly storedBytes: number;
  readonly encoding: EncodingValue;
}

/** Nothing but zeros below; nothing is stored. */
export const ABSENT: Pointer = { slot: 0, offsetBytes: 0, storedBytes: 0, encoding: Encoding.absent };

export interface Footer {
  readonly diskSizeBytes: number;
  readonly blockSizeBytes: number;
  /** The file's place in its chain, 0 for the full. */
  readonly slot: number;
  readonly rootLevel: number;
  readonly root: Pointer;
}

export function encodeHeader(fileId: Uint8Array, blockSizeBytes: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt16LE(VERSION, 8);
  header.writeUInt16LE(HEADER_BYTES, 10);
  header.writeUInt32LE(blockSizeBytes, 12);
  header.set(fileId, 16);
  return header;
}

/** Throws FormatUnsupported for a later version, and a plain Error for a header that is not this file's. */
export function checkHeader(header: Uint8Array, fileId: Uint8Array, blockSizeBytes: number): void {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  if (bytes.equals(encodeHeader(fileId, blockSizeBytes))) return;
  const isOurs = bytes.byteLength === HEADER_BYTES && bytes.subarray(0, MAGIC.byteLength).equals(MAGIC);
  if (isOurs && bytes.readUInt16LE(8) > VERSION && bytes.subarray(16, 16 + FILE_ID_BYTES).equals(fileId)) {
    throw new VaultError(
      'FormatUnsupported',
      `The block file has format version ${bytes.readUInt16LE(8)}; this program reads version ${VERSION}. Update it.`,
    );
  }
  throw new Error('the header is damaged');
}

export function encodePointer(pointer: Pointer, into: Buffer, at: number): void {
  into.writeUIntLE(pointer.offsetBytes, at, 6);
  into.writeUInt16LE(pointer.slot, at + 6);
  into.writeUInt32LE(pointer.storedBytes, at + 8);
  into.writeUInt32LE(pointer.encoding, at + 12);
}

/** Decodes a pointer of a page that was authenticated. */
export function decodePointer(from: Buffer, at: number): Pointer {
  const encoding = from.readUInt32LE(at + 12);
  if (encoding === Encoding.absent) return ABSENT;
  if (encoding !== Encoding.raw && encoding !== Encoding.zstd) {
    throw new VaultError(
      'FormatUnsupported',
      `The index names encoding ${encoding}, which this version does not know.`,
    );
  }
  return {
    offsetBytes: from.readUIntLE(at, 6),
    slot: from.readUInt16LE(at + 6),
    storedBytes: from.readUInt32LE(at + 8),
    encoding,
  };
}

export function encodeFooter(footer: Footer): Buffer {
  const bytes = Buffer.alloc(FOOTER_PLAIN_BYTES);
  bytes.writeUIntLE(footer.diskSizeBytes, 0, 6);
  bytes.writeUInt32LE(footer.blockSizeBytes, 8);
  bytes.writeUInt16LE(footer.slot, 12);
  bytes.writeUInt8(footer.rootLevel, 14);
  encodePointer(footer.root, bytes, 16);
  return bytes;
}

/** Decodes a footer that was authenticated. */
export function decodeFooter(bytes: Buffer): Footer {
  return {
    diskSizeBytes: bytes.readUIntLE(0, 6),
    blockSizeBytes: bytes.readUInt32LE(8),
    slot: bytes.readUInt16LE(12),
    rootLevel: bytes.readUInt8(14),
    root: decodePointer(bytes, 16),
  };
}

export function encodeEndMark(): Buffer {
  return END_MAGIC;
}

/** Throws a plain Error unless `tail` ends with the end mark. */
export function checkEndMark(tail: Uint8Array): void {
  if (tail.byteLength !== TAIL_BYTES || END_MAGIC.compare(tail, FOOTER_RECORD_BYTES) !== 0) {
    throw new Error('the end mark is damaged');
  }
}

export function blockCount(diskSizeBytes: number, blockSizeBytes: number): number {
  return Math.ceil(diskSizeBytes / blockSizeBytes);
}

/** The level of the one page that covers the whole disk; leaves are level 0. */
export function rootLevelFor(blocks: number): number {
  let level = 0;
  for (let covered = PAGE_FANOUT; covered < blocks; covered *= PAGE_FANOUT) level += 1;
  return level;
}

/** Which page of `level` covers the block. */
export function pageIndex(blockNumber: number, level: number): number {
  return Math.floor(blockNumber / 2 ** (PAGE_FANOUT_BITS * (level + 1)));
}

/** Where in its page a block's pointer (level 0) or a child page's (above) stands. */
export function positionInPage(childIndex: number): number {
  return (childIndex % PAGE_FANOUT) * POINTER_BYTES;
}

/** How many of a leaf's blocks are stored: as many digests follow it. */
export function countStored(leaf: Buffer): number {
  let count = 0;
  for (let at = 12; at < PAGE_BYTES; at += POINTER_BYTES) if (leaf[at] !== Encoding.absent) count += 1;
  return count;
}

/** The record of a leaf's digests, which follows the leaf's own; undefined where the leaf names no block. */
export function digestPointer(leaf: Buffer, pointer: Pointer): Pointer | undefined {
  const stored = countStored(leaf);
  if (stored === 0) return undefined;
  return {
    slot: pointer.slot,
    offsetBytes: pointer.offsetBytes + pointer.storedBytes,
    storedBytes: stored * DIGEST_BYTES + TAG_BYTES,
    encoding: Encoding.raw,
  };
}
