// READDIRPLUS: RFC 1813, section 3.3.17. `dircount` bounds names and cookies, `maxcount` the whole result, in bytes.
import { after } from '../awaitable.ts';
import { type DirectoryEntry, type FileSystem, Nfs3Error, Nfs3Status } from '../file-system.ts';
import { padded } from '../xdr/reader.ts';
import { FATTR3_BYTES, writePostOpAttributes, writePostOpHandle } from './attributes.ts';
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

/** What an entry has beside READDIR's, without the handle itself: post_op_attr, "handle follows", its length. */
const PLUS_BYTES = 4 + FATTR3_BYTES + 4 + 4;

export const readdirplus: Nfs3Procedure = {
  name: 'READDIRPLUS',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem } = call;
    const directory = call.resolve(call.handle());
    call.onFailure = (reply) => writePostOpAttributes(reply, fileSystem, directory);
    const cookie = readCookie(call.args);
    const namesBytes = call.args.uint32();
    const maxBytes = Math.min(call.args.uint32(), call.limits.maxTransferBytes);
    const room = { namesBytes, allBytes: maxBytes - HEADER_BYTES - END_BYTES };
    return after(fileSystem.readdir(directory, cookie, Math.max(1, entriesThatFit(namesBytes))), (list) => {
      const entries = entriesWithin(fileSystem, list.entries, room);
      if (entries.length === 0 && list.entries.length > 0) {
        throw new Nfs3Error(Nfs3Status.TOOSMALL, `no entry fits into ${maxBytes} bytes`);
      }
      return (reply) => {
        writePostOpAttributes(reply, fileSystem, directory);
        writeCookieVerifier(reply);
        for (const entry of entries) {
          writeEntry(reply, entry, fileSystem.attributes(entry.node).fileid);
          writePostOpAttributes(reply, fileSystem, entry.node);
          writePostOpHandle(reply, fileSystem, entry.node);
        }
        writeEnd(reply, list.end && entries.length === list.entries.length);
      };
    });
  },
};

/** As many as fit; the first one only has to fit into the whole, however small the room for names is. */
function entriesWithin<Node>(
  fileSystem: FileSystem<Node>,
  entries: DirectoryEntry<Node>[],
  room: { namesBytes: number; allBytes: number },
): DirectoryEntry<Node>[] {
  let namesBytes = 0;
  let allBytes = 0;
  const end = entries.findIndex((entry, index) => {
    const bytes = entryBytes(entry);
    namesBytes += bytes;
    allBytes += bytes + PLUS_BYTES + padded(fileSystem.handle(entry.node).length);
    return allBytes > room.allBytes || (index > 0 && namesBytes > room.namesBytes);
  });
  return end === -1 ? entries : entries.slice(0, end);
}
