// A small ONC RPC client over TCP (RFC 5531): for registering with a portmapper, and for the tests. Calls may overlap;
// each waits for its reply up to a limit. Where it may, it speaks from a reserved port: rpcbind believes only those.
import { connect, type Socket } from 'node:net';
import { NfsServerError } from '../nfs-server-error.ts';
import { XdrReader } from '../xdr/reader.ts';
import { type Encode, encodeBytes } from '../xdr/writer.ts';
import { AcceptStatus } from './message.ts';
import { RecordReader } from './record-reader.ts';

const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const MSG_ACCEPTED = 0;
const AUTH_NONE = 0;
const MAX_VERIFIER_BYTES = 400;
const MAX_REPLY_BYTES = 2 * 1024 * 1024;

/** Loopback answers in microseconds; a peer that takes longer than this is stuck. */
const CALL_TIMEOUT_MS = 5_000;

/** Ports below 1024 that no service is known for, tried from the highest. */
const HIGHEST_RESERVED_PORT = 1023;
const RESERVED_PORT_TRIES = 64;

/** The credentials of a call: opaque_auth. */
export interface Credentials {
  readonly flavor: number;
  readonly body: Uint8Array;
}

const NO_CREDENTIALS: Credentials = { flavor: AUTH_NONE, body: new Uint8Array(0) };

interface Waiting {
  readonly resolve: (reply: XdrReader) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export interface RpcTarget {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
}

export class RpcClient implements Disposable {
  readonly #socket: Socket;
  readonly #records = new RecordReader(MAX_REPLY_BYTES);
  readonly #waiting = new Map<number, Waiting>();
  #nextXid = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => {
      this.#records.push(piece);
      this.#takeReplies();
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => this.#failAll('the peer closed the connection'));
  }

  /** Connects, from a reserved port where this process may. Throws the socket's error. */
  static async connect(host: string, port: number, from: 'reserved' | 'any' = 'any'): Promise<RpcClient> {
    return new RpcClient(from === 'reserved' ? await openReserved(host, port) : await open({ host, port }));
  }

  /**
   * Calls a procedure; the reader stands at its results.
   * Throws NfsServerError PortmapUnavailable when no reply comes, MessageMalformed when the reply is not a success.
   */
  call(
    target: RpcTarget,
    args: Encode,
    credentials = NO_CREDENTIALS,
    xid = this.#nextXid,
  ): Promise<XdrReader> {
    this.#nextXid = xid + 1;
    const record = encodeBytes((writer) => {
      writer.record(() => {
        for (const word of [xid, CALL, RPC_VERSION, target.program, target.version, target.procedure]) {
          writer.uint32(word);
        }
        writer.uint32(credentials.flavor);
        writer.opaque(credentials.body);
        writer.uint32(AUTH_NONE);
        writer.uint32(0);
        args(writer);
      });
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(xid);
        reject(new NfsServerError('PortmapUnavailable', `no reply within ${CALL_TIMEOUT_MS} ms`));
      }, CALL_TIMEOUT_MS);
      this.#waiting.set(xid, { resolve, reject, timer });
      this.#socket.write(record);
    });
  }

  /** Takes no more replies: a client that does not keep up. */
  stopReading(): void {
    this.#socket.pause();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
    this.#failAll('this side closed the connection');
  }

  #takeReplies(): void {
    try {
      for (let record = this.#records.next(); record !== undefined; record = this.#records.next()) {
        this.#takeReply(new XdrReader(record));
      }
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : undefined);
    }
  }

  #takeReply(reply: XdrReader): void {
    const xid = reply.uint32();
    const waiting = this.#waiting.get(xid);
    if (waiting === undefined) return;
    this.#waiting.delete(xid);
    clearTimeout(waiting.timer);
    const problem = readReplyHeader(reply);
    if (problem === undefined) waiting.resolve(reply);
    else waiting.reject(new NfsServerError('MessageMalformed', `RPC call answered with ${problem}`));
  }

  #failAll(why: string): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new NfsServerError('PortmapUnavailable', `no reply: ${why}`));
    }
    this.#waiting.clear();
  }
}

/** What is wrong with a reply, or undefined for an accepted call that succeeded. */
function readReplyHeader(reply: XdrReader): string | undefined {
  if (reply.uint32() !== REPLY) return 'a message that is no reply';
  if (reply.uint32() !== MSG_ACCEPTED) return 'MSG_DENIED';
  reply.uint32();
  reply.opaque(MAX_VERIFIER_BYTES);
  const status = reply.uint32();
  if (status === AcceptStatus.SUCCESS) return undefined;
  const name = Object.entries(AcceptStatus).find(([, value]) => value === status)?.[0];
  return name ?? `accept_stat ${status}`;
}

async function openReserved(host: string, port: number): Promise<Socket> {
  for (let tried = 0; tried < RESERVED_PORT_TRIES; tried += 1) {
    try {
      return await open({ host, port, localPort: HIGHEST_RESERVED_PORT - tried });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EACCES') break;
      if (code !== 'EADDRINUSE' && code !== 'EADDRNOTAVAIL') throw error;
    }
  }
  return await open({ host, port });
}

function open(options: { host: string; port: number; localPort?: number }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, timeout: CALL_TIMEOUT_MS });
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error(`no connection within ${CALL_TIMEOUT_MS} ms`)));
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}
