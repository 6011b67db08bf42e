// COMMIT: RFC 1813, section 3.3.21. Makes the whole file durable, which is more than the range that is asked for.
import { after } from '../awaitable.ts';
import { type Nfs3Procedure } from './call.ts';

export const commit: Nfs3Procedure = {
  name: 'COMMIT',
  absentOnFailure: 2,
  run(call) {
    const { args, fileSystem } = call;
    const handle = call.handle();
    args.uint64(); // offset
    args.uint32(); // count
    const node = call.resolve(handle);
    const wcc = call.change(node);
    call.onFailure = wcc.write;
    return after(fileSystem.commit(node), () => (reply) => {
      wcc.write(reply);
      reply.fixedOpaque(fileSystem.writeVerifier);
    });
  },
};
