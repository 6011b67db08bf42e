// MKDIR: RFC 1813, section 3.3.9.
import { after } from '../awaitable.ts';
import { Nfs3Status } from '../file-system.ts';
import { readSetAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';
import { newObjectResult } from './new-object.ts';

export const mkdir: Nfs3Procedure = {
  name: 'MKDIR',
  absentOnFailure: 2,
  isRemembered: true,
  run(call) {
    const { fileSystem } = call;
    const handle = call.handle();
    const name = call.newName(Nfs3Status.EXIST);
    const attributes = readSetAttributes(call.args);
    const directory = call.resolve(handle);
    const wcc = call.change(directory);
    call.onFailure = wcc.write;
    return after(fileSystem.mkdir(directory, name, attributes), (node) =>
      newObjectResult(fileSystem, node, wcc),
    );
  },
};
