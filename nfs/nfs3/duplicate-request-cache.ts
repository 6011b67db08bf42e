// Answers of calls that must not run twice. A client whose connection broke before the answer came sends the call
// again, from another port perhaps but with the same xid: running REMOVE anew would tell it NOENT for what it removed
// itself. Bounded in entries and in age; the age also keeps a rebooted client's xids apart from its old ones.
// Held in memory: a retransmission across a restart of the server runs anew.
import { crc32 } from 'node:zlib';
import { type Awaitable, Nfs3Status } from '../file-system.ts';

/** An answer is at most some 300 bytes, so this is about 2 MB. */
const MAX_ENTRIES = 4096;

/** Longer than ESXi goes on trying before it declares all paths down (140 s). */
const MAX_AGE_MS = 180_000;

interface Entry {
  readonly answer: Awaitable<Uint8Array>;
  readonly sinceMs: number;
}

export class DuplicateRequestCache {
  /** In the order of their coming. */
  readonly #entries = new Map<string, Entry>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** What makes a call the same call: which host, which xid and procedure, and the arguments' length and checksum. */
  key(host: string, xid: number, procedure: number, args: Uint8Array): string {
    return `${host} ${xid} ${procedure} ${args.length} ${crc32(args)}`;
  }

  /** The answer to an earlier transmission of the call; a promise while it runs. */
  get(key: string): Awaitable<Uint8Array> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#nowMs() - entry.sinceMs <= MAX_AGE_MS) return entry.answer;
    this.#entries.delete(key);
    return undefined;
  }

  /** Keeps the answer, unless it is that the client should try again later: that is not the call's last word. */
  remember(key: string, answer: Awaitable<Buffer>): void {
    if (!(answer instanceof Promise) && isJukebox(answer)) return;
    this.#entries.set(key, { answer, sinceMs: this.#nowMs() });
    if (answer instanceof Promise) {
      answer.then(
        (bytes) => this.#replace(key, answer, bytes),
        () => this.#entries.delete(key),
      );
    }
    if (this.#entries.size <= MAX_ENTRIES) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }

  #replace(key: string, running: Promise<Buffer>, answer: Buffer): void {
    if (this.#entries.get(key)?.answer !== running) return;
    if (isJukebox(answer)) this.#entries.delete(key);
    else this.#entries.set(key, { answer, sinceMs: this.#nowMs() });
  }
}

/** Every answer that is kept begins with its nfsstat3. */
function isJukebox(answer: Buffer): boolean {
  return answer.readUInt32BE(0) === Nfs3Status.JUKEBOX;
}
