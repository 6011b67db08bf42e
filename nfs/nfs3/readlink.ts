// READLINK: RFC 1813, section 3.3.5.
import { after } from '../awaitable.ts';
import { Nfs3Error, Nfs3Status } from '../file-system.ts';
import { writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

export const readlink: Nfs3Procedure = {
  name: 'READLINK',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem } = call;
    const node = call.resolve(call.handle());
    call.onFailure = (reply) => writePostOpAttributes(reply, fileSystem, node);
    if (fileSystem.attributes(node).kind !== 'symlink') {
      throw new Nfs3Error(Nfs3Status.INVAL, 'READLINK of what is no symbolic link');
    }
    return after(fileSystem.readlink(node), (target) => (reply) => {
      writePostOpAttributes(reply, fileSystem, node);
      reply.string(target);
    });
  },
};
