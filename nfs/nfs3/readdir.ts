// READDIR: RFC 1813, section 3.3.16. `count` bounds the whole result in bytes.
import { after } from '../awaitable.ts';
import { type DirectoryEntry, Nfs3Error, Nfs3Status } from '../file-system.ts';
import { FATTR3_BYTES, writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';
import {
  END_BYTES,
  entriesThatFit,
  entryBytes,
  readCookie,
  writeCookieVerifier,
  writeEnd,
  writeEntry,
} from './directory-listing.ts';

/** status, post_op_attr, cookieverf. */
const HEADER_BYTES = 4 + 4 + FATTR3_BYTES + 8;

export const readdir: Nfs3Procedure = {
  name: 'READDIR',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem } = call;
    const directory = call.resolve(call.handle());
    call.onFailure = (reply) => writePostOpAttributes(reply, fileSystem, directory);
    const cookie = readCookie(call.args);
    const countBytes = Math.min(call.args.uint32(), call.limits.maxTransferBytes);
    const roomBytes = countBytes - HEADER_BYTES - END_BYTES;
    return after(fileSystem.readdir(directory, cookie, Math.max(1, entriesThatFit(roomBytes))), (list) => {
      const entries = entriesWithin(list.entries, roomBytes);
      if (entries.length === 0 && list.entries.length > 0) {
        throw new Nfs3Error(Nfs3Status.TOOSMALL, `no entry fits into ${countBytes} bytes`);
      }
      return (reply) => {
        writePostOpAttributes(reply, fileSystem, directory);
        writeCookieVerifier(reply);
        for (const entry of entries) writeEntry(reply, entry, fileSystem.attributes(entry.node).fileid);
        writeEnd(reply, list.end && entries.length === list.entries.length);
      };
    });
  },
};

function entriesWithin<Node>(entries: DirectoryEntry<Node>[], roomBytes: number): DirectoryEntry<Node>[] {
  let usedBytes = 0;
  const end = entries.findIndex((entry) => (usedBytes += entryBytes(entry)) > roomBytes);
  return end === -1 ? entries : entries.slice(0, end);
}
