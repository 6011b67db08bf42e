// CREATE: RFC 1813, section 3.3.8. EXCLUSIVE is how ESXi takes a lock: the file system compares the verifier, so a
// repeated call finds its own file, and another host's finds EXIST.
import { after } from '../awaitable.ts';
import { type CreateMode, Nfs3Status } from '../file-system.ts';
import { NfsServerError } from '../nfs-server-error.ts';
import { type XdrReader } from '../xdr/reader.ts';
import { readSetAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';
import { newObjectResult } from './new-object.ts';

/** createmode3. */
const UNCHECKED = 0;
const GUARDED = 1;
const EXCLUSIVE = 2;

/** NFS3_CREATEVERFSIZE. */
const VERIFIER_BYTES = 8;

export const create: Nfs3Procedure = {
  name: 'CREATE',
  absentOnFailure: 2,
  isRemembered: true,
  run(call) {
    const { fileSystem } = call;
    const handle = call.handle();
    const name = call.newName(Nfs3Status.EXIST);
    const mode = readMode(call.args);
    const directory = call.resolve(handle);
    const wcc = call.change(directory);
    call.onFailure = wcc.write;
    return after(fileSystem.create(directory, name, mode), (node) => newObjectResult(fileSystem, node, wcc));
  },
};

function readMode(args: XdrReader): CreateMode {
  const how = args.uint32();
  if (how === UNCHECKED) return { how: 'unchecked', attributes: readSetAttributes(args) };
  if (how === GUARDED) return { how: 'guarded', attributes: readSetAttributes(args) };
  // A file system keeps the verifier, and the message's buffer goes: hence the copy.
  if (how === EXCLUSIVE)
    return { how: 'exclusive', verifier: Uint8Array.from(args.fixedOpaque(VERIFIER_BYTES)) };
  throw new NfsServerError('MessageMalformed', `createmode3 of ${how}`);
}
