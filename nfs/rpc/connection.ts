// One client's TCP connection: records in, calls run side by side, replies out as they complete. Replies of one turn
// of the event loop leave in one writev. A client that asks faster than it reads is not read from until it does:
// calls in flight and unsent bytes are bounded. A stream that is no RPC is closed.
import { type Socket } from 'node:net';
import { type Log } from '../log.ts';
import { type Encode, XdrWriter } from '../xdr/writer.ts';
import { type Answer, answerRecord, type Ends, encodeSystemError, type RpcProgram } from './program.ts';
import { RecordReader } from './record-reader.ts';

/** More calls than a client keeps in flight (ESXi's queue depth: 64 per datastore by default, 256 at most). */
const MAX_CALLS_IN_FLIGHT = 256;

/** Replies that the client has not taken yet; above it no more of its calls are read. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

const KEEP_ALIVE_AFTER_MS = 60_000;

export interface ConnectionOptions {
  readonly programs: readonly RpcProgram[];
  readonly maxRecordBytes: number;
  readonly log: Log;
}

export class RpcConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #ends: Ends;
  readonly #records: RecordReader;
  readonly #writer = new XdrWriter();
  #callsInFlight = 0;
  #flushIsDue = false;
  #isDraining = false;
  #onIdle: (() => void) | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#ends = { peer: plainAddress(socket.remoteAddress) ?? '', local: plainAddress(socket.localAddress) };
    this.#records = new RecordReader(options.maxRecordBytes);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
    socket.on('data', (piece: Buffer) => {
      this.#records.push(piece);
      this.#takeCalls();
    });
    socket.on('drain', () => this.#takeCalls());
    // A peer that resets its connection is no event worth a line; 'close' follows.
    socket.on('error', () => undefined);
  }

  get callsInFlight(): number {
    return this.#callsInFlight;
  }

  /** Takes no more calls, and resolves when those in flight are answered. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#socket.pause();
    if (this.#callsInFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#flush();
  }

  #takeCalls(): void {
    try {
      while (!this.#isFull()) {
        const record = this.#records.next();
        if (record === undefined) break;
        this.#run(record);
      }
    } catch (error) {
      this.#options.log.warn(
        { err: error, peer: this.#ends.peer },
        'Connection closed: not a client of this server',
      );
      this.#socket.destroy();
      return;
    }
    if (this.#isFull()) this.#socket.pause();
    else this.#socket.resume();
  }

  #isFull(): boolean {
    return (
      this.#isDraining ||
      this.#socket.destroyed ||
      this.#callsInFlight >= MAX_CALLS_IN_FLIGHT ||
      this.#socket.writableLength + this.#writer.length >= MAX_UNSENT_BYTES
    );
  }

  #run(record: Buffer): void {
    const answer: Answer = answerRecord(this.#options.programs, record, this.#ends, this.#options.log);
    if (!(answer instanceof Promise)) {
      this.#reply(record, answer);
      return;
    }
    this.#callsInFlight += 1;
    void answer.then((encode) => {
      this.#callsInFlight -= 1;
      this.#reply(record, encode);
      if (this.#callsInFlight === 0) this.#onIdle?.();
      if (this.#socket.isPaused() && !this.#isFull()) this.#takeCalls();
    });
  }

  #reply(record: Buffer, encode: Encode): void {
    if (this.#socket.destroyed) return;
    const mark = this.#writer.mark();
    try {
      this.#writer.record(encode);
    } catch (error) {
      this.#options.log.error(
        { err: error, peer: this.#ends.peer },
        'Reply could not be written; answered SYSTEM_ERR',
      );
      this.#writer.rollback(mark);
      this.#writer.record(encodeSystemError(record.readUInt32BE(0)));
    }
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushIsDue = false;
    if (this.#socket.destroyed) return;
    this.#socket.cork();
    for (const chunk of this.#writer.take()) this.#socket.write(chunk);
    this.#socket.uncork();
  }
}

/** An address as people write it: an IPv4 address that came through an IPv6 socket is an IPv4 address. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:/, '');
}
