// GETATTR: RFC 1813, section 3.3.1. ESXi's heartbeat on a datastore, among others: answered from memory.
import { writeAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

export const getattr: Nfs3Procedure = {
  name: 'GETATTR',
  absentOnFailure: 0,
  run(call) {
    const attributes = call.fileSystem.attributes(call.resolve(call.handle()));
    return (reply) => writeAttributes(reply, attributes);
  },
};
