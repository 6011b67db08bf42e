// MKNOD: RFC 1813, section 3.3.11. A datastore has no devices, sockets or pipes.
import { Nfs3Error, Nfs3Status } from '../file-system.ts';
import { type Nfs3Procedure } from './call.ts';

export const mknod: Nfs3Procedure = {
  name: 'MKNOD',
  absentOnFailure: 2,
  run(call) {
    call.handle();
    throw new Nfs3Error(Nfs3Status.NOTSUPP, 'MKNOD is not supported');
  },
};
