// SYMLINK: RFC 1813, section 3.3.10.
import { after } from '../awaitable.ts';
import { Nfs3Status } from '../file-system.ts';
import { readSetAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';
import { newObjectResult } from './new-object.ts';

export const symlink: Nfs3Procedure = {
  name: 'SYMLINK',
  absentOnFailure: 2,
  isRemembered: true,
  run(call) {
    const { fileSystem } = call;
    const handle = call.handle();
    const name = call.newName(Nfs3Status.EXIST);
    const attributes = readSetAttributes(call.args);
    const target = call.path();
    const directory = call.resolve(handle);
    const wcc = call.change(directory);
    call.onFailure = wcc.write;
    return after(fileSystem.symlink(directory, name, target, attributes), (node) =>
      newObjectResult(fileSystem, node, wcc),
    );
  },
};
