// FSSTAT: RFC 1813, section 3.3.18. ESXi shows these totals as the datastore's capacity; zeros make it unusable.
import { after } from '../awaitable.ts';
import { writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

export const fsstat: Nfs3Procedure = {
  name: 'FSSTAT',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem } = call;
    const node = call.resolve(call.handle());
    call.onFailure = (reply) => writePostOpAttributes(reply, fileSystem, node);
    return after(fileSystem.totals(node), (totals) => (reply) => {
      writePostOpAttributes(reply, fileSystem, node);
      reply.uint64(totals.totalBytes);
      reply.uint64(totals.freeBytes);
      reply.uint64(totals.freeBytes);
      reply.uint64(totals.totalFiles);
      reply.uint64(totals.freeFiles);
      reply.uint64(totals.freeFiles);
      reply.uint32(0); // invarsec: may change at any time
    });
  },
};
