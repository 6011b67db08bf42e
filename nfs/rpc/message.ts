// The RPC call and reply messages of RFC 5531, section 9, with the two ways to say who asks that NFSv3 clients use:
// AUTH_NONE and AUTH_SYS. An AUTH_SYS identity is a claim, not a proof: whom to let in is the file system's affair.

import { NfsServerError } from '../nfs-server-error.ts';
import { XdrReader } from '../xdr/reader.ts';
import { type Encode, type XdrWriter } from '../xdr/writer.ts';

const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const MSG_ACCEPTED = 0;
const MSG_DENIED = 1;

const AUTH_NONE = 0;
export const AUTH_SYS = 1;

/** opaque_auth, authsys_parms: RFC 5531, sections 8.2 and appendix A. */
const MAX_AUTH_BYTES = 400;
const MAX_MACHINE_NAME_BYTES = 255;
const MAX_GROUPS = 16;

/** Who a caller is that claims to be nobody in particular. */
const NOBODY = { uid: 65534, gid: 65534, machineName: Buffer.alloc(0) };

/** accept_stat of RFC 5531, section 9. */
export const AcceptStatus = {
  SUCCESS: 0,
  PROG_UNAVAIL: 1,
  PROG_MISMATCH: 2,
  PROC_UNAVAIL: 3,
  GARBAGE_ARGS: 4,
  SYSTEM_ERR: 5,
} as const;

const RPC_MISMATCH = 0;
const AUTH_ERROR = 1;
const AUTH_BADCRED = 1;

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** What the caller calls its machine; empty with AUTH_NONE. A view of the message. */
  readonly machineName: Buffer;
}

export interface CallMessage {
  readonly xid: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly identity: Identity;
  /** Stands at the arguments. */
  readonly args: XdrReader;
}

/** A call that is answered before anybody looks for its procedure. */
export interface DeniedMessage {
  readonly xid: number;
  readonly denial: Encode;
}

/**
 * Reads a call as far as its arguments.
 * Throws NfsServerError MessageMalformed when it is no call at all: then there is nobody to answer.
 */
export function readCall(record: Buffer): CallMessage | DeniedMessage {
  const args = new XdrReader(record);
  const xid = args.uint32();
  const type = args.uint32();
  if (type !== CALL) throw new NfsServerError('MessageMalformed', `RPC message of type ${type}, not a call`);
  if (args.uint32() !== RPC_VERSION) return { xid, denial: encodeRpcMismatch };
  const program = args.uint32();
  const version = args.uint32();
  const procedure = args.uint32();
  const flavor = args.uint32();
  const credentials = args.opaque(MAX_AUTH_BYTES);
  args.uint32();
  args.opaque(MAX_AUTH_BYTES);
  const identity = readIdentity(flavor, credentials);
  if (identity === undefined) return { xid, denial: encodeBadCredentials };
  return { xid, program, version, procedure, identity, args };
}

function readIdentity(flavor: number, credentials: Buffer): Identity | undefined {
  if (flavor === AUTH_NONE) return NOBODY;
  if (flavor !== AUTH_SYS) return undefined;
  try {
    const reader = new XdrReader(credentials, 4); // after the stamp, which nobody uses
    const machineName = reader.opaque(MAX_MACHINE_NAME_BYTES);
    const identity = { machineName, uid: reader.uint32(), gid: reader.uint32() };
    return reader.uint32() > MAX_GROUPS ? undefined : identity;
  } catch (error) {
    if (error instanceof NfsServerError) return undefined;
    throw error;
  }
}

/** An accepted reply (RFC 5531, section 9): `body` is what the accept_stat asks for. */
export function encodeAccepted(writer: XdrWriter, xid: number, status: number, body?: Encode): void {
  writer.uint32(xid);
  writer.uint32(REPLY);
  writer.uint32(MSG_ACCEPTED);
  writer.uint32(AUTH_NONE);
  writer.uint32(0);
  writer.uint32(status);
  body?.(writer);
}

export function encodeDenied(writer: XdrWriter, xid: number, denial: Encode): void {
  writer.uint32(xid);
  writer.uint32(REPLY);
  writer.uint32(MSG_DENIED);
  denial(writer);
}

function encodeRpcMismatch(writer: XdrWriter): void {
  writer.uint32(RPC_MISMATCH);
  writer.uint32(RPC_VERSION);
  writer.uint32(RPC_VERSION);
}

function encodeBadCredentials(writer: XdrWriter): void {
  writer.uint32(AUTH_ERROR);
  writer.uint32(AUTH_BADCRED);
}
