// READ: RFC 1813, section 3.3.6. The data goes from the file system's buffer to the socket without a copy.
import { after } from '../awaitable.ts';
import { Nfs3Error, Nfs3Status } from '../file-system.ts';
import { type Encode } from '../xdr/writer.ts';
import { writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

const NO_BYTES = new Uint8Array(0);

export const read: Nfs3Procedure = {
  name: 'READ',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem } = call;
    const handle = call.handle();
    const offsetBytes = call.args.uint64();
    const countBytes = Math.min(call.args.uint32(), call.limits.maxTransferBytes);
    const node = call.resolve(handle);
    call.onFailure = (reply) => writePostOpAttributes(reply, fileSystem, node);
    const { kind, sizeBytes } = fileSystem.attributes(node);
    if (kind === 'directory') throw new Nfs3Error(Nfs3Status.ISDIR, 'READ of a directory');
    if (kind !== 'file') throw new Nfs3Error(Nfs3Status.INVAL, 'READ of a symbolic link');

    const result = (bytes: Uint8Array, eof: boolean): Encode => {
      return (reply) => {
        writePostOpAttributes(reply, fileSystem, node);
        reply.uint32(bytes.length);
        reply.boolean(eof);
        reply.opaqueReference(bytes);
      };
    };
    if (offsetBytes >= sizeBytes) return result(NO_BYTES, true);
    if (countBytes === 0) return result(NO_BYTES, false);
    return after(fileSystem.read(node, offsetBytes, countBytes), ({ bytes, eof }) => result(bytes, eof));
  },
};
