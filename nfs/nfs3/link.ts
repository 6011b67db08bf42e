// LINK: RFC 1813, section 3.3.15.
import { after } from '../awaitable.ts';
import { Nfs3Status } from '../file-system.ts';
import { type Encode } from '../xdr/writer.ts';
import { writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

export const link: Nfs3Procedure = {
  name: 'LINK',
  absentOnFailure: 3,
  isRemembered: true,
  run(call) {
    const { fileSystem } = call;
    const handle = call.handle();
    const directoryHandle = call.handle();
    const name = call.newName(Nfs3Status.EXIST);
    const node = call.resolve(handle);
    const directory = call.resolve(directoryHandle);
    const wcc = call.change(directory);
    const write: Encode = (reply) => {
      writePostOpAttributes(reply, fileSystem, node);
      wcc.write(reply);
    };
    call.onFailure = write;
    return after(fileSystem.link(node, directory, name), () => write);
  },
};
