// ACCESS: RFC 1813, section 3.3.4. Root may do everything (no squash: ESXi is root, and can't create a VM
// otherwise); others get what the permission bits say. This is advice to the client: the identity in AUTH_SYS is a
// claim, so what protects an export is its list of hosts, in the file system.
import { type Attributes, type Caller } from '../file-system.ts';
import { writePostOpAttributes } from './attributes.ts';
import { type Nfs3Procedure } from './call.ts';

const READ = 0x01;
const LOOKUP = 0x02;
const MODIFY = 0x04;
const EXTEND = 0x08;
const DELETE = 0x10;
const EXECUTE = 0x20;

const MODE_READ = 4;
const MODE_WRITE = 2;
const MODE_EXECUTE = 1;

export const access: Nfs3Procedure = {
  name: 'ACCESS',
  absentOnFailure: 1,
  run(call) {
    const { fileSystem, caller } = call;
    const handle = call.handle();
    const asked = call.args.uint32();
    const node = call.resolve(handle);
    const granted = asked & grantedTo(caller, fileSystem.attributes(node));
    return (reply) => {
      writePostOpAttributes(reply, fileSystem, node);
      reply.uint32(granted);
    };
  },
};

function grantedTo(caller: Caller, attributes: Attributes): number {
  const bits = caller.uid === 0 ? MODE_READ | MODE_WRITE | MODE_EXECUTE : modeBits(caller, attributes);
  const isDirectory = attributes.kind === 'directory';
  let granted = 0;
  if (bits & MODE_READ) granted |= READ;
  if (bits & MODE_WRITE) granted |= isDirectory ? MODIFY | EXTEND | DELETE : MODIFY | EXTEND;
  if (bits & MODE_EXECUTE) granted |= isDirectory ? LOOKUP : EXECUTE;
  return granted;
}

function modeBits(caller: Caller, attributes: Attributes): number {
  if (caller.uid === attributes.uid) return attributes.mode >> 6;
  if (caller.gid === attributes.gid) return attributes.mode >> 3;
  return attributes.mode;
}
