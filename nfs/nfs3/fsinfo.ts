// FSINFO: RFC 1813, section 3.3.19. Transfers of up to `maxTransferBytes` are taken, 64 KiB are preferred: ESXi
// splits its I/O at the maximum, and multiples of 4096 keep blocks whole.
import { writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

const PREFERRED_TRANSFER_BYTES = 64 * 1024;
const MULTIPLE_BYTES = 4096;

const FSF3_LINK = 0x01;
const FSF3_SYMLINK = 0x02;
const FSF3_HOMOGENEOUS = 0x08;
const FSF3_CANSETTIME = 0x10;
const PROPERTIES = FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME;

export const fsinfo: Nfs3Procedure = {
  name: 'FSINFO',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem, limits } = call;
    const node = call.resolve(call.handle());
    const { maxTransferBytes } = limits;
    const preferredBytes = Math.min(PREFERRED_TRANSFER_BYTES, maxTransferBytes);
    return (reply) => {
      writePostOpAttributes(reply, fileSystem, node);
      for (let direction = 0; direction < 2; direction += 1) {
        reply.uint32(maxTransferBytes); // rtmax, wtmax
        reply.uint32(preferredBytes); // rtpref, wtpref
        reply.uint32(MULTIPLE_BYTES); // rtmult, wtmult
      }
      reply.uint32(preferredBytes); // dtpref
      reply.uint64(Number.MAX_SAFE_INTEGER); // maxfilesize
      reply.uint32(0); // time_delta: nanoseconds
      reply.uint32(1);
      reply.uint32(PROPERTIES);
    };
  },
};
