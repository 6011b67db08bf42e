// SETATTR: RFC 1813, section 3.3.2. The guard compares the ctime and changes the file in one step: ESXi takes over
// a stale lock with it.
import { after } from '../awaitable.ts';
import { readSetAttributes, readTime } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

export const setattr: Nfs3Procedure = {
  name: 'SETATTR',
  absentOnFailure: 2,
  isRemembered: true,
  run(call) {
    const handle = call.handle();
    const changes = readSetAttributes(call.args);
    const guardCtime = call.args.boolean() ? readTime(call.args) : undefined;
    const node = call.resolve(handle);
    const wcc = call.change(node);
    call.onFailure = wcc.write;
    return after(call.fileSystem.setAttributes(node, changes, guardCtime), () => wcc.write);
  },
};
