// WRITE: RFC 1813, section 3.3.7. ESXi writes FILE_SYNC: the answer leaves when the bytes are on stable storage.
import { after } from '../awaitable.ts';
import { Nfs3Error, Nfs3Status } from '../file-system.ts';
import { NfsServerError } from '../nfs-server-error.ts';
import { type Nfs3Procedure } from './call.ts';

/** stable_how. DATA_SYNC is answered with the stronger FILE_SYNC, as the standard allows. */
const UNSTABLE = 0;
const FILE_SYNC = 2;

export const write: Nfs3Procedure = {
  name: 'WRITE',
  absentOnFailure: 2,
  run(call) {
    const { args, fileSystem, limits } = call;
    const handle = call.handle();
    const offsetBytes = args.uint64();
    const countBytes = args.uint32();
    const stableHow = args.uint32();
    if (stableHow > FILE_SYNC) throw new NfsServerError('MessageMalformed', `stable_how of ${stableHow}`);
    const data = args.opaque(limits.maxTransferBytes);
    const node = call.resolve(handle);
    const wcc = call.change(node);
    call.onFailure = wcc.write;
    if (fileSystem.attributes(node).kind !== 'file') {
      throw new Nfs3Error(Nfs3Status.INVAL, 'WRITE to what is no regular file');
    }
    if (data.length < countBytes) {
      throw new Nfs3Error(Nfs3Status.INVAL, `WRITE of ${countBytes} bytes that carries ${data.length}`);
    }
    if (!Number.isSafeInteger(offsetBytes + countBytes)) {
      throw new Nfs3Error(Nfs3Status.FBIG, 'WRITE beyond 2^53 - 1');
    }
    const isStable = stableHow !== UNSTABLE;
    const bytes = data.subarray(0, countBytes);
    const written = countBytes === 0 ? undefined : fileSystem.write(node, offsetBytes, bytes, isStable);
    return after(written, () => (reply) => {
      wcc.write(reply);
      reply.uint32(countBytes);
      reply.uint32(isStable ? FILE_SYNC : UNSTABLE);
      reply.fixedOpaque(fileSystem.writeVerifier);
    });
  },
};
