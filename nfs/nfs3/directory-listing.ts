// What READDIR and READDIRPLUS share. Cookies are the file system's and stay valid across restarts, so the cookie
// verifier never changes: all zeros. A client that brings another one listed some other server.
import { type DirectoryEntry, Nfs3Error, Nfs3Status } from '../file-system.ts';
import { padded, type XdrReader } from '../xdr/reader.ts';
import { type XdrWriter } from '../xdr/writer.ts';

/** NFS3_COOKIEVERFSIZE. */
const COOKIE_VERIFIER = Buffer.alloc(8);

/** An entry without its name: "one follows", fileid, the name's length, cookie. */
const ENTRY_BYTES = 4 + 8 + 4 + 8;

/** "None follows" and eof. */
export const END_BYTES = 4 + 4;

/** The longest list that is made for one call, whatever the client would take. */
const MAX_ENTRIES = 4096;

/** Reads cookie and cookieverf. Throws BAD_COOKIE for what this server never gave out. */
export function readCookie(args: XdrReader): number {
  const cookie = args.uint64();
  const verifier = args.fixedOpaque(COOKIE_VERIFIER.length);
  if (cookie === Infinity || (cookie !== 0 && !verifier.equals(COOKIE_VERIFIER))) {
    throw new Nfs3Error(Nfs3Status.BAD_COOKIE, 'a cookie that this server never gave out');
  }
  return cookie;
}

export function writeCookieVerifier(reply: XdrWriter): void {
  reply.fixedOpaque(COOKIE_VERIFIER);
}

/** More entries than fit into that many bytes, within the limit. */
export function entriesThatFit(bytes: number): number {
  return Math.min(Math.ceil(bytes / (ENTRY_BYTES + padded(1))), MAX_ENTRIES);
}

/** The bytes that an entry of READDIR takes. */
export function entryBytes(entry: DirectoryEntry<unknown>): number {
  return ENTRY_BYTES + padded(Buffer.byteLength(entry.name));
}

export function writeEntry(reply: XdrWriter, entry: DirectoryEntry<unknown>, fileid: number): void {
  reply.boolean(true);
  reply.uint64(fileid);
  reply.string(entry.name);
  reply.uint64(entry.cookie);
}

/** Ends the list; `eof` when the directory has no more. */
export function writeEnd(reply: XdrWriter, eof: boolean): void {
  reply.boolean(false);
  reply.boolean(eof);
}
