// What an RPC program is to this server, and how a call finds its procedure (RFC 5531, section 9). Procedures answer
// with an Encode, at once or later; who sends it, and when, is the connection's affair.
import { type Awaitable, type Caller } from '../file-system.ts';
import { type Log } from '../log.ts';
import { NfsServerError } from '../nfs-server-error.ts';
import { type XdrReader } from '../xdr/reader.ts';
import { type Encode } from '../xdr/writer.ts';
import { AcceptStatus, type CallMessage, encodeAccepted, encodeDenied, readCall } from './message.ts';

export interface RpcCall {
  readonly xid: number;
  readonly caller: Caller;
  /** What the caller calls its machine: tells hosts apart that share an address. */
  readonly machineName: Buffer;
  /** The address of this machine that the caller spoke to, where the transport tells it. */
  readonly localAddress: string | undefined;
  readonly args: XdrReader;
}

/** Answers a call; throws NfsServerError MessageMalformed, at once, for arguments it can't read. */
export type RpcProcedure = (call: RpcCall) => Awaitable<Encode>;

export interface RpcProgram {
  readonly program: number;
  /** By version; a version's procedures by number, without one where the program has none. */
  readonly versions: ReadonlyMap<number, readonly (RpcProcedure | undefined)[]>;
}

/** The two ends of the way that a call came. */
export interface Ends {
  readonly peer: string;
  readonly local: string | undefined;
}

/** The reply to one call as they go into a record; the promise never rejects. */
export type Answer = Awaitable<Encode>;

/**
 * Runs the call that a record holds.
 * Throws NfsServerError MessageMalformed when the record is no call: the stream is not RPC, there is nobody to answer.
 */
export function answerRecord(programs: readonly RpcProgram[], record: Buffer, ends: Ends, log: Log): Answer {
  const message = readCall(record);
  const { xid } = message;
  if ('denial' in message) return (writer) => encodeDenied(writer, xid, message.denial);
  const found = findProcedure(programs, message);
  if (typeof found !== 'function') return (writer) => encodeAccepted(writer, xid, found.status, found.body);
  const failed = (error: unknown) => failure(xid, message, error, log);
  try {
    const { uid, gid, machineName } = message.identity;
    const caller: Caller = { address: ends.peer, uid, gid };
    const body = found({ xid, caller, machineName, localAddress: ends.local, args: message.args });
    return body instanceof Promise
      ? body.then((encode) => success(xid, encode)).catch(failed)
      : success(xid, body);
  } catch (error) {
    return failed(error);
  }
}

/** The reply to a call whose results could not be written; what was written of it is gone. */
export function encodeSystemError(xid: number): Encode {
  return (writer) => encodeAccepted(writer, xid, AcceptStatus.SYSTEM_ERR);
}

function success(xid: number, body: Encode): Encode {
  return (writer) => encodeAccepted(writer, xid, AcceptStatus.SUCCESS, body);
}

function failure(xid: number, call: CallMessage, error: unknown, log: Log): Encode {
  if (error instanceof NfsServerError && error.code === 'MessageMalformed') {
    return (writer) => encodeAccepted(writer, xid, AcceptStatus.GARBAGE_ARGS);
  }
  log.error(
    { err: error, program: call.program, version: call.version, procedure: call.procedure },
    'RPC procedure failed; answered SYSTEM_ERR',
  );
  return encodeSystemError(xid);
}

interface Unavailable {
  readonly status: number;
  readonly body?: Encode;
}

function findProcedure(programs: readonly RpcProgram[], call: CallMessage): RpcProcedure | Unavailable {
  const program = programs.find((candidate) => candidate.program === call.program);
  if (program === undefined) return { status: AcceptStatus.PROG_UNAVAIL };
  const procedures = program.versions.get(call.version);
  if (procedures === undefined) {
    const known = [...program.versions.keys()];
    return {
      status: AcceptStatus.PROG_MISMATCH,
      body: (writer) => {
        writer.uint32(Math.min(...known));
        writer.uint32(Math.max(...known));
      },
    };
  }
  return procedures[call.procedure] ?? { status: AcceptStatus.PROC_UNAVAIL };
}
