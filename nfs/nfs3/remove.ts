// REMOVE: RFC 1813, section 3.3.12.
import { after } from '../awaitable.ts';
import { Nfs3Status } from '../file-system.ts';
import { type Nfs3Procedure } from './call.ts';

export const remove: Nfs3Procedure = {
  name: 'REMOVE',
  absentOnFailure: 2,
  isRemembered: true,
  run(call) {
    const handle = call.handle();
    const name = call.newName(Nfs3Status.INVAL);
    const directory = call.resolve(handle);
    const wcc = call.change(directory);
    call.onFailure = wcc.write;
    return after(call.fileSystem.remove(directory, name), () => wcc.write);
  },
};
