// RENAME: RFC 1813, section 3.3.14. Atomic: at every moment the new name is the old or the new file.
import { after } from '../awaitable.ts';
import { Nfs3Status } from '../file-system.ts';
import { type Nfs3Procedure } from './call.ts';

export const rename: Nfs3Procedure = {
  name: 'RENAME',
  absentOnFailure: 4,
  isRemembered: true,
  run(call) {
    const fromHandle = call.handle();
    const fromName = call.newName(Nfs3Status.INVAL);
    const toHandle = call.handle();
    const toName = call.newName(Nfs3Status.INVAL);
    const fromDirectory = call.resolve(fromHandle);
    const toDirectory = call.resolve(toHandle);
    const fromWcc = call.change(fromDirectory);
    const toWcc = fromHandle.equals(toHandle) ? fromWcc : call.change(toDirectory);
    const write: typeof fromWcc.write = (reply) => {
      fromWcc.write(reply);
      toWcc.write(reply);
    };
    call.onFailure = write;
    return after(call.fileSystem.rename(fromDirectory, fromName, toDirectory, toName), () => write);
  },
};
