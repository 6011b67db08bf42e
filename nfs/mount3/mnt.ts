// MNT: RFC 1813, appendix I, section 5.2.1.
import { after } from '../awaitable.ts';
import { type Awaitable, Nfs3Error, Nfs3Status } from '../file-system.ts';
import { AUTH_SYS } from '../rpc/message.ts';
import { type Encode } from '../xdr/writer.ts';
import { readDirpath } from './dirpath.ts';
import { type MountProcedure, type MountService } from './service.ts';

/** mountstat3 has these and the numbers of nfsstat3; all else is told as SERVERFAULT. */
const MOUNT_STATUSES: ReadonlySet<number> = new Set([
  Nfs3Status.PERM,
  Nfs3Status.NOENT,
  Nfs3Status.IO,
  Nfs3Status.ACCES,
  Nfs3Status.NOTDIR,
  Nfs3Status.INVAL,
  Nfs3Status.NAMETOOLONG,
  Nfs3Status.NOTSUPP,
]);

export const mnt: MountProcedure = (service, call) => {
  const path = readDirpath(call.args);
  const fail = (error: unknown): Encode => failure(service, path, call.caller.address, error);
  try {
    const result: Awaitable<Encode> = after(service.fileSystem.mount(path, call.caller), (root) => {
      const handle = service.fileSystem.handle(root);
      service.table.add({ address: call.caller.address, path });
      service.onMount(path, call.caller);
      return success(handle);
    });
    return result instanceof Promise ? result.catch(fail) : result;
  } catch (error) {
    return fail(error);
  }
};

function success(handle: Uint8Array): Encode {
  return (reply) => {
    reply.uint32(Nfs3Status.OK);
    reply.opaque(handle);
    reply.uint32(1);
    reply.uint32(AUTH_SYS);
  };
}

function failure<Node>(service: MountService<Node>, path: string, peer: string, error: unknown): Encode {
  const status = error instanceof Nfs3Error ? error.status : Nfs3Status.SERVERFAULT;
  if (error instanceof Nfs3Error) service.log.warn({ err: error, path, peer }, 'Mount refused');
  else service.log.error({ err: error, path, peer }, 'Mount failed; answered MNT3ERR_SERVERFAULT');
  return (reply) => reply.uint32(MOUNT_STATUSES.has(status) ? status : Nfs3Status.SERVERFAULT);
}
