// Frames: the one shape in which an overlay's bytes are on disk, in log files and in checkpoints alike.
//
//   0  u32  magic 'RDfr'
//   4  u32  length of the body in bytes
//   8  u32  slot where the batch begins that this frame was written with (see recovery.ts)
//   12 u32  zero
//   16 …    body, AES-256-GCM
//   …  16   tag; then zeros up to a multiple of 64
//
// The key of a file is derived (HKDF-SHA-256) from the overlay's key and a random salt that the file carries;
// the nonce is the frame's offset in the file. No file is written by two runs of the program, and none is
// written again where it was cut, so no nonce meets a key twice. The first 16 bytes are authenticated too.
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { SLOT_BYTES } from './limits.ts';

const KEY_BYTES = 32;
export const SALT_BYTES = 32;
const FRAME_HEADER_BYTES = 16;
const TAG_BYTES = 16;
const MAGIC = 0x52446672;
const NONCE_BYTES = 12;

/**
 * The key of one file. `purpose` keeps log files and checkpoints apart. A KeyObject, because a cipher made from bytes
 * costs three times as much.
 */
export function fileKey(overlayKey: Uint8Array, salt: Uint8Array, purpose: string): KeyObject {
  const bytes = hkdfSync('sha256', overlayKey, salt, `rundirect overlay 1 ${purpose}`, KEY_BYTES);
  return createSecretKey(Buffer.from(bytes));
}

/** What a body takes on disk. */
export function frameBytes(bodyBytes: number): number {
  return Math.ceil((FRAME_HEADER_BYTES + bodyBytes + TAG_BYTES) / SLOT_BYTES) * SLOT_BYTES;
}

function nonceAt(offsetBytes: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(offsetBytes, NONCE_BYTES - 6, 6);
  return nonce;
}

/** Seals `parts` as one frame into `into` at `at`, for the file offset `offsetBytes`. Answers the frame's length. */
export function sealFrame(
  key: KeyObject,
  offsetBytes: number,
  batchOffsetBytes: number,
  parts: readonly Uint8Array[],
  into: Buffer,
  at: number,
): number {
  let bodyBytes = 0;
  for (const part of parts) bodyBytes += part.byteLength;
  into.writeUInt32BE(MAGIC, at);
  into.writeUInt32BE(bodyBytes, at + 4);
  into.writeUInt32BE(batchOffsetBytes / SLOT_BYTES, at + 8);
  into.writeUInt32BE(0, at + 12);
  const cipher = createCipheriv('aes-256-gcm', key, nonceAt(offsetBytes));
  cipher.setAAD(into.subarray(at, at + FRAME_HEADER_BYTES));
  let end = at + FRAME_HEADER_BYTES;
  for (const part of parts) end += cipher.update(part).copy(into, end);
  cipher.final();
  end += cipher.getAuthTag().copy(into, end);
  const total = frameBytes(bodyBytes);
  into.fill(0, end, at + total);
  return total;
}

export interface FrameHeader {
  readonly bodyBytes: number;
  readonly batchOffsetBytes: number;
}

/** The header at `at`, or undefined where none can be. Nothing of it is authenticated yet. */
export function frameHeader(from: Buffer, at: number): FrameHeader | undefined {
  if (at + FRAME_HEADER_BYTES > from.byteLength || from.readUInt32BE(at) !== MAGIC) return undefined;
  return {
    bodyBytes: from.readUInt32BE(at + 4),
    batchOffsetBytes: from.readUInt32BE(at + 8) * SLOT_BYTES,
  };
}

/** The body of the frame at `at`, or undefined where it is cut short or does not authenticate. */
export function openFrame(key: KeyObject, offsetBytes: number, from: Buffer, at: number): Buffer | undefined {
  const header = frameHeader(from, at);
  if (header === undefined) return undefined;
  const bodyEnd = at + FRAME_HEADER_BYTES + header.bodyBytes;
  if (bodyEnd + TAG_BYTES > from.byteLength) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceAt(offsetBytes), { authTagLength: TAG_BYTES });
  decipher.setAAD(from.subarray(at, at + FRAME_HEADER_BYTES));
  decipher.setAuthTag(from.subarray(bodyEnd, bodyEnd + TAG_BYTES));
  const body = decipher.update(from.subarray(at + FRAME_HEADER_BYTES, bodyEnd));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return body;
}
