// The result that CREATE, MKDIR and SYMLINK share: handle and attributes of what was made, and its directory's
// wcc_data (RFC 1813, sections 3.3.8 to 3.3.10).
import { type FileSystem } from '../file-system.ts';
import { type Encode } from '../xdr/writer.ts';
import { writePostOpAttributes, writePostOpHandle } from './attributes.ts';
import { type Wcc } from './weak-cache-consistency.ts';

export function newObjectResult<Node>(
  fileSystem: FileSystem<Node>,
  node: Node,
  directory: Wcc<Node>,
): Encode {
  return (reply) => {
    writePostOpHandle(reply, fileSystem, node);
    writePostOpAttributes(reply, fileSystem, node);
    directory.write(reply);
  };
}
