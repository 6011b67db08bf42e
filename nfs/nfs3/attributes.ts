// fattr3, post_op_attr, sattr3 and nfstime3 on the wire: RFC 1813, sections 2.5 and 2.6.
import {
  type Attributes,
  type FileKind,
  type FileSystem,
  Nfs3Error,
  Nfs3Status,
  type NfsTime,
  type SetAttributes,
} from '../file-system.ts';
import { NfsServerError } from '../nfs-server-error.ts';
import { type XdrReader } from '../xdr/reader.ts';
import { type XdrWriter } from '../xdr/writer.ts';

/** ftype3. */
const FTYPE3: Readonly<Record<FileKind, number>> = { file: 1, directory: 2, symlink: 5 };

const MODE_BITS = 0o7777;

/** time_how. */
const DONT_CHANGE = 0;
const SET_TO_SERVER_TIME = 1;
const SET_TO_CLIENT_TIME = 2;

/** fattr3 takes this many bytes. */
export const FATTR3_BYTES = 84;

export function writeTime(reply: XdrWriter, time: NfsTime): void {
  reply.uint32(time.seconds);
  reply.uint32(time.nanoseconds);
}

/** fattr3. */
export function writeAttributes(reply: XdrWriter, attributes: Attributes): void {
  reply.uint32(FTYPE3[attributes.kind]);
  reply.uint32(attributes.mode);
  reply.uint32(attributes.nlink);
  reply.uint32(attributes.uid);
  reply.uint32(attributes.gid);
  reply.uint64(attributes.sizeBytes);
  reply.uint64(attributes.usedBytes);
  reply.uint64(0); // rdev: there are no devices here
  reply.uint64(attributes.fsid);
  reply.uint64(attributes.fileid);
  writeTime(reply, attributes.atime);
  writeTime(reply, attributes.mtime);
  writeTime(reply, attributes.ctime);
}

/** post_op_attr: absent when the node went away meanwhile. */
export function writePostOpAttributes<Node>(
  reply: XdrWriter,
  fileSystem: FileSystem<Node>,
  node: Node,
): void {
  let attributes: Attributes;
  try {
    attributes = fileSystem.attributes(node);
  } catch (error) {
    if (!(error instanceof Nfs3Error)) throw error;
    reply.boolean(false);
    return;
  }
  reply.boolean(true);
  writeAttributes(reply, attributes);
}

/** post_op_fh3. */
export function writePostOpHandle<Node>(reply: XdrWriter, fileSystem: FileSystem<Node>, node: Node): void {
  reply.boolean(true);
  reply.opaque(fileSystem.handle(node));
}

export function readTime(args: XdrReader): NfsTime {
  return { seconds: args.uint32(), nanoseconds: args.uint32() };
}

/** sattr3. Throws FBIG for a size that no file here can have. */
export function readSetAttributes(args: XdrReader): SetAttributes {
  const changes: SetAttributes = {};
  if (args.boolean()) changes.mode = args.uint32() & MODE_BITS;
  if (args.boolean()) changes.uid = args.uint32();
  if (args.boolean()) changes.gid = args.uint32();
  if (args.boolean()) changes.sizeBytes = args.uint64();
  const atime = readSetTime(args);
  if (atime !== undefined) changes.atime = atime;
  const mtime = readSetTime(args);
  if (mtime !== undefined) changes.mtime = mtime;
  if (changes.sizeBytes === Infinity) throw new Nfs3Error(Nfs3Status.FBIG, 'a size above 2^53 - 1');
  return changes;
}

function readSetTime(args: XdrReader): NfsTime | 'server' | undefined {
  const how = args.uint32();
  if (how === DONT_CHANGE) return undefined;
  if (how === SET_TO_SERVER_TIME) return 'server';
  if (how === SET_TO_CLIENT_TIME) return readTime(args);
  throw new NfsServerError('MessageMalformed', `time_how of ${how}`);
}
