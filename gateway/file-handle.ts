// File handles and file ids. Both are the same for the life of a file, whatever restarts between: ESXi names its
// locks by the file id, and knows its files by the handle alone.
//
//   0  u8   version, 1     1  3 bytes zero
//   4  u32  the gateway's state folder, drawn at random when it was made
//   8  u32  volume: a session's directory, or the root of a target's share; counted up, never given twice
//   12 u32  file in the volume; counted up, never given twice
import { Nfs3Error, Nfs3Status } from '../nfs/index.ts';

const HANDLE_VERSION = 1;
const HANDLE_BYTES = 16;
const FILES_PER_VOLUME = 2 ** 32;

/** Volumes that a state folder can ever have: file ids stay safe integers. */
export const MAX_VOLUMES = 2 ** 21 - 1;

export interface FileHandle {
  readonly volume: number;
  readonly file: number;
}

/** Unique in the gateway: across sessions, targets and time. */
export const fileidOf = ({ volume, file }: FileHandle): number => volume * FILES_PER_VOLUME + file;

export function encodeHandle(instance: number, { volume, file }: FileHandle): Uint8Array {
  const handle = Buffer.alloc(HANDLE_BYTES);
  handle[0] = HANDLE_VERSION;
  handle.writeUInt32BE(instance, 4);
  handle.writeUInt32BE(volume, 8);
  handle.writeUInt32BE(file, 12);
  return handle;
}

/** Throws BADHANDLE for what never was a handle of this gateway. */
export function decodeHandle(instance: number, bytes: Uint8Array): FileHandle {
  const handle = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (
    handle.byteLength !== HANDLE_BYTES ||
    handle.readUInt32BE(0) !== HANDLE_VERSION * 2 ** 24 ||
    handle.readUInt32BE(4) !== instance
  ) {
    throw new Nfs3Error(Nfs3Status.BADHANDLE, 'This handle is none of this gateway’s.');
  }
  return { volume: handle.readUInt32BE(8), file: handle.readUInt32BE(12) };
}
