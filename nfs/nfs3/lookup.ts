// LOOKUP: RFC 1813, section 3.3.3.
import { after } from '../awaitable.ts';
import { writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

export const lookup: Nfs3Procedure = {
  name: 'LOOKUP',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem } = call;
    const directory = call.resolve(call.handle());
    call.onFailure = (reply) => writePostOpAttributes(reply, fileSystem, directory);
    const name = call.name();
    return after(fileSystem.lookup(directory, name), (node) => (reply) => {
      reply.opaque(fileSystem.handle(node));
      writePostOpAttributes(reply, fileSystem, node);
      writePostOpAttributes(reply, fileSystem, directory);
    });
  },
};
