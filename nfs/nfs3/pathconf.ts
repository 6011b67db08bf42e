// PATHCONF: RFC 1813, section 3.3.20. Names keep their case, and it counts.

import { writePostOpAttributes } from './attributes.ts';
import { MAX_NAME_BYTES, type Nfs3Procedure } from './call.ts';

const MAX_LINKS = 32_000;

export const pathconf: Nfs3Procedure = {
  name: 'PATHCONF',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem } = call;
    const node = call.resolve(call.handle());
    return (reply) => {
      writePostOpAttributes(reply, fileSystem, node);
      reply.uint32(MAX_LINKS);
      reply.uint32(MAX_NAME_BYTES);
      reply.boolean(true); // no_trunc: longer names are refused
      reply.boolean(true); // chown_restricted
      reply.boolean(false); // case_insensitive
      reply.boolean(true); // case_preserving
    };
  },
};
