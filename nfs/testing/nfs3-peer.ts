// Speaks NFSv3 to a server under test, call by call, for what foreign clients won't do: chosen xids, chosen verifiers,
// broken arguments. Results come out as plain objects. Foreign clients prove the encoding; see foreign-peers.test.ts.
import { Nfs3Status, type NfsTime } from '../file-system.ts';
import { MOUNT_PROGRAM, MOUNT_V3 } from '../mount3/program.ts';
import { nfs3Procedures } from '../nfs3/procedures.ts';
import { NFS_PROGRAM, NFS_V3 } from '../nfs3/program.ts';
import { type Credentials, RpcClient } from '../rpc/client.ts';
import { AUTH_SYS } from '../rpc/message.ts';
import { type XdrReader } from '../xdr/reader.ts';
import { type Encode, encodeBytes } from '../xdr/writer.ts';

/** AUTH_SYS credentials of a user, in a group of the same number. */
function credentialsOf(uid: number, machineName: string): Credentials {
  const body = encodeBytes((writer) => {
    writer.uint32(0);
    writer.string(machineName);
    for (const word of [uid, uid, 0]) writer.uint32(word);
  });
  return { flavor: AUTH_SYS, body };
}

export const UNCHANGED: Encode = (args) => {
  for (let field = 0; field < 6; field += 1) args.uint32(0);
};

export interface PeerAttributes {
  readonly kind: number;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly fileid: number;
  readonly mtime: NfsTime;
  readonly ctime: NfsTime;
}

export interface PeerWcc {
  readonly before:
    | { readonly sizeBytes: number; readonly mtime: NfsTime; readonly ctime: NfsTime }
    | undefined;
  readonly after: PeerAttributes | undefined;
}

export class Nfs3Peer implements Disposable {
  readonly #client: RpcClient;

  readonly #credentials: Credentials;

  private constructor(client: RpcClient, credentials: Credentials) {
    this.#client = client;
    this.#credentials = credentials;
  }

  static async connect(port: number, uid = 0, machineName = 'peer'): Promise<Nfs3Peer> {
    return new Nfs3Peer(await RpcClient.connect('127.0.0.1', port), credentialsOf(uid, machineName));
  }

  /** Calls a procedure by its name; the reader stands at the status. */
  call(name: string, args: Encode, xid?: number): Promise<XdrReader> {
    const procedure = nfs3Procedures.findIndex((candidate) => candidate.name === name);
    return this.#client.call(
      { program: NFS_PROGRAM, version: NFS_V3, procedure },
      args,
      this.#credentials,
      xid,
    );
  }

  /** The status of a call. */
  async status(name: string, args: Encode, xid?: number): Promise<number> {
    return (await this.call(name, args, xid)).uint32();
  }

  /** Calls a procedure of MOUNT. */
  mountCall(procedure: number, args: Encode): Promise<XdrReader> {
    return this.#client.call(
      { program: MOUNT_PROGRAM, version: MOUNT_V3, procedure },
      args,
      this.#credentials,
    );
  }

  /** MNT: the handle of the root. */
  async mount(path: string): Promise<Buffer> {
    const reply = await this.mountCall(1, (args) => args.string(path));
    const status = reply.uint32();
    if (status !== Nfs3Status.OK) throw new Error(`MNT of ${path}: ${status}`);
    return reply.opaque(64);
  }

  /** CREATE; the handle of what was made. */
  async create(directory: Buffer, name: string, verifier?: Uint8Array): Promise<Buffer> {
    const reply = await this.call('CREATE', createArgs(directory, name, verifier));
    const status = reply.uint32();
    if (status !== Nfs3Status.OK || !reply.boolean()) throw new Error(`CREATE of ${name}: ${status}`);
    return reply.opaque(64);
  }

  async getattr(handle: Buffer): Promise<PeerAttributes> {
    const reply = await this.call('GETATTR', (args) => args.opaque(handle));
    const status = reply.uint32();
    if (status !== Nfs3Status.OK) throw new Error(`GETATTR: ${status}`);
    return readAttributes(reply);
  }

  /** READ of a whole small file. */
  async read(handle: Buffer, offsetBytes = 0, countBytes = 65536): Promise<{ bytes: Buffer; eof: boolean }> {
    const reply = await this.call('READ', readArgs(handle, offsetBytes, countBytes));
    const status = reply.uint32();
    if (status !== Nfs3Status.OK) throw new Error(`READ: ${status}`);
    readPostOp(reply);
    reply.uint32();
    const eof = reply.boolean();
    return { bytes: reply.opaque(countBytes), eof };
  }

  /** Leaves what comes in the socket's buffers from now on. */
  stopReading(): void {
    this.#client.stopReading();
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

export function dirOp(directory: Uint8Array, name: string): Encode {
  return (args) => {
    args.opaque(directory);
    args.string(name);
  };
}

/** EXCLUSIVE with a verifier, GUARDED without. */
export function createArgs(directory: Uint8Array, name: string, verifier?: Uint8Array): Encode {
  return (args) => {
    dirOp(directory, name)(args);
    args.uint32(verifier === undefined ? 1 : 2);
    if (verifier === undefined) UNCHANGED(args);
    else args.fixedOpaque(verifier);
  };
}

export function readArgs(handle: Uint8Array, offsetBytes: number, countBytes: number): Encode {
  return (args) => {
    args.opaque(handle);
    args.uint64(offsetBytes);
    args.uint32(countBytes);
  };
}

export function writeArgs(handle: Uint8Array, offsetBytes: number, bytes: Uint8Array, stableHow = 2): Encode {
  return (args) => {
    args.opaque(handle);
    args.uint64(offsetBytes);
    args.uint32(bytes.length);
    args.uint32(stableHow);
    args.opaque(bytes);
  };
}

/** SETATTR of the size, guarded by a ctime where one is given. */
export function truncateArgs(handle: Uint8Array, sizeBytes: number, guardCtime?: NfsTime): Encode {
  return (args) => {
    args.opaque(handle);
    for (let field = 0; field < 3; field += 1) args.uint32(0);
    args.boolean(true);
    args.uint64(sizeBytes);
    args.uint32(0);
    args.uint32(0);
    args.boolean(guardCtime !== undefined);
    if (guardCtime === undefined) return;
    args.uint32(guardCtime.seconds);
    args.uint32(guardCtime.nanoseconds);
  };
}

export function renameArgs(from: Uint8Array, fromName: string, to: Uint8Array, toName: string): Encode {
  return (args) => {
    dirOp(from, fromName)(args);
    dirOp(to, toName)(args);
  };
}

/** READDIR's arguments, and with `maxBytes` READDIRPLUS's. */
export function readdirArgs(
  directory: Uint8Array,
  cookie: number,
  countBytes: number,
  maxBytes?: number,
): Encode {
  return (args) => {
    args.opaque(directory);
    args.uint64(cookie);
    args.fixedOpaque(Buffer.alloc(8));
    args.uint32(countBytes);
    if (maxBytes !== undefined) args.uint32(maxBytes);
  };
}

export function readPostOp(reply: XdrReader): PeerAttributes | undefined {
  return reply.boolean() ? readAttributes(reply) : undefined;
}

export function readWcc(reply: XdrReader): PeerWcc {
  const before = reply.boolean()
    ? { sizeBytes: reply.uint64(), mtime: readTime(reply), ctime: readTime(reply) }
    : undefined;
  return { before, after: readPostOp(reply) };
}

function readAttributes(reply: XdrReader): PeerAttributes {
  const [kind, mode] = [reply.uint32(), reply.uint32()];
  for (let field = 0; field < 3; field += 1) reply.uint32(); // nlink, uid, gid
  const sizeBytes = reply.uint64();
  for (let field = 0; field < 3; field += 1) reply.uint64(); // used, rdev, fsid
  const fileid = reply.uint64();
  readTime(reply);
  return { kind, mode, sizeBytes, fileid, mtime: readTime(reply), ctime: readTime(reply) };
}

function readTime(reply: XdrReader): NfsTime {
  return { seconds: reply.uint32(), nanoseconds: reply.uint32() };
}
