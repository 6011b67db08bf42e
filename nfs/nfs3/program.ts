// NFS version 3 as an RPC program (RFC 1813): runs a procedure over the file system, turns what it throws into its
// nfsstat3, and answers a retransmission of a call that must not run twice from memory.
import { after } from '../awaitable.ts';
import { type Awaitable, type FileSystem, Nfs3Error, Nfs3Status } from '../file-system.ts';
import { type Log } from '../log.ts';
import { NfsServerError } from '../nfs-server-error.ts';
import { type RpcCall, type RpcProcedure, type RpcProgram } from '../rpc/program.ts';
import { type Encode, encodeBytes, type XdrWriter } from '../xdr/writer.ts';
import { Nfs3Call, type Nfs3Limits, type Nfs3Procedure } from './call.ts';
import { DuplicateRequestCache } from './duplicate-request-cache.ts';
import { nfs3Procedures } from './procedures.ts';
import { ChangeTracker } from './weak-cache-consistency.ts';

export const NFS_PROGRAM = 100003;
export const NFS_V3 = 3;

export interface Nfs3Counters {
  /** Calls by procedure since the start; retransmissions included. */
  readonly calls: Record<string, number>;
  /** Retransmissions that were answered from memory. */
  duplicates: number;
}

export function nfs3Program<Node>(
  fileSystem: FileSystem<Node>,
  limits: Nfs3Limits,
  counters: Nfs3Counters,
  log: Log,
): RpcProgram {
  const tracker = new ChangeTracker();
  const cache = new DuplicateRequestCache();
  const procedures = nfs3Procedures.map((procedure, number): RpcProcedure => {
    counters.calls[procedure.name] = 0;
    const run = (rpc: RpcCall): Awaitable<Encode> => {
      const call = new Nfs3Call(fileSystem, tracker, limits, rpc.caller, rpc.args);
      return runToStatus(procedure, call, log);
    };
    return (rpc) => {
      counters.calls[procedure.name] = (counters.calls[procedure.name] ?? 0) + 1;
      return procedure.isRemembered === true ? runOnce(cache, number, rpc, run, counters) : run(rpc);
    };
  });
  return { program: NFS_PROGRAM, versions: new Map([[NFS_V3, procedures]]) };
}

/** Runs the call, or answers with what an earlier transmission of it was or will be answered. */
function runOnce(
  cache: DuplicateRequestCache,
  number: number,
  rpc: RpcCall,
  run: RpcProcedure,
  counters: Nfs3Counters,
): Awaitable<Encode> {
  const host = `${rpc.caller.address} ${rpc.machineName.toString('latin1')}`;
  const key = cache.key(host, rpc.xid, number, rpc.args.rest());
  const known = cache.get(key);
  if (known !== undefined) {
    counters.duplicates += 1;
    return after(known, writeBytes);
  }
  const result = after(run(rpc), encodeBytes);
  cache.remember(key, result);
  return after(result, writeBytes);
}

function writeBytes(bytes: Uint8Array): Encode {
  return (reply) => reply.fixedOpaque(bytes);
}

function runToStatus<Node>(procedure: Nfs3Procedure, call: Nfs3Call<Node>, log: Log): Awaitable<Encode> {
  const succeed = (encode: Encode): Encode => {
    call.settle();
    return procedure.name === 'NULL' ? encode : success(encode);
  };
  const fail = (error: unknown): Encode => {
    call.settle();
    return failure(procedure, call, error, log);
  };
  try {
    const result = procedure.run(call);
    return result instanceof Promise ? result.then(succeed).catch(fail) : succeed(result);
  } catch (error) {
    return fail(error);
  }
}

function success(encode: Encode): Encode {
  return (reply) => {
    reply.uint32(Nfs3Status.OK);
    encode(reply);
  };
}

function failure<Node>(procedure: Nfs3Procedure, call: Nfs3Call<Node>, error: unknown, log: Log): Encode {
  if (error instanceof NfsServerError) throw error; // arguments that can't be read: RPC's GARBAGE_ARGS
  if (!(error instanceof Nfs3Error)) {
    log.error(
      { err: error, procedure: procedure.name },
      'NFS procedure failed; answered NFS3ERR_SERVERFAULT',
    );
  }
  const status = error instanceof Nfs3Error ? error.status : Nfs3Status.SERVERFAULT;
  return (reply) => {
    reply.uint32(status);
    if (call.onFailure === undefined) writeAbsent(reply, procedure.absentOnFailure);
    else call.onFailure(reply);
  };
}

function writeAbsent(reply: XdrWriter, count: number): void {
  for (let index = 0; index < count; index += 1) reply.boolean(false);
}
