// Holds back the READs of one session's disks, for a copy whose source no guest reads: a token bucket, in bytes a
// second; at no bytes a second the copy stands still. The rest of the session's directory, its attributes and all else
// that a host asks about the datastore are answered at once, so that it is not taken for dead.
//
// A READ waits for its turn for a moment only, and is then answered JUKEBOX (RFC 1813, section 2.6: come again), so
// that something comes back on the connection well within a host's patience. Connections are shared with other
// sessions, whose calls must not queue up behind the waiting: so few READs are held at a time, and what is beyond that
// is answered JUKEBOX at once. Nothing is read from the backup, and no memory is taken, for a READ that waits.
//
// Source of the patience: a host gives a heartbeat, a GETATTR, 5 s, and a datastore up after 140 s without an answer.
import { Nfs3Error, Nfs3Status } from '../nfs/index.ts';

/** How long a READ may wait; well below a heartbeat's time-out, and what a gateway that ends has to wait for. */
const MAX_HOLD_MS = 2_000;
/** READs of one export that wait; a copy has a few under way. */
const MAX_HELD_READS = 16;
/** READs of all exports that wait: half of what one connection may have in flight. */
const MAX_HELD_IN_ALL = 128;
/** What was not used is saved up for this long. */
const BURST_MS = 250;

/** Counts the READs that wait over all exports of a gateway. */
export class HeldReads {
  #count = 0;

  /** False where there are too many already. */
  take(): boolean {
    if (this.#count >= MAX_HELD_IN_ALL) return false;
    this.#count += 1;
    return true;
  }

  give(): void {
    this.#count -= 1;
  }
}

interface HeldRead {
  readonly bytes: number;
  readonly untilMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Nfs3Error) => void;
}

export interface ReadLimitOptions {
  /** None where it is undefined; 0: nothing is read. */
  readonly bytesPerSecond?: number | undefined;
  /** Called once when `break` has ended a limit. */
  readonly onBroken?: () => void;
}

/** The limit of one export. Without one, every READ has its turn at once. */
export class ReadLimit {
  readonly #held: HeldReads;
  readonly #onBroken: (() => void) | undefined;
  /** Oldest first, which are those whose time is up first. */
  readonly #queue: HeldRead[] = [];
  #bytesPerSecond: number | undefined;
  /** What may be read now. A READ that has its turn is let in whole: below 0 the next ones wait until it is made up. */
  #balanceBytes = 0;
  #asOfMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(held: HeldReads, { bytesPerSecond, onBroken }: ReadLimitOptions = {}) {
    this.#held = held;
    this.#onBroken = onBroken;
    this.set(bytesPerSecond);
  }

  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** Holds from now on, for those that wait, too. */
  set(bytesPerSecond: number | undefined): void {
    this.#refill();
    this.#bytesPerSecond = bytesPerSecond;
    this.#balanceBytes = Math.min(0, this.#balanceBytes);
    this.#serve();
  }

  /** Ends a limit, where there is one: a guest runs from what was thought to be a copy's alone. */
  break(): void {
    if (this.#bytesPerSecond === undefined) return;
    this.set(undefined);
    this.#onBroken?.();
  }

  /** Undefined where it is the READ's turn; else resolves when it is. Throws, or rejects with, Nfs3Error JUKEBOX. */
  turn(bytes: number): Promise<void> | undefined {
    if (this.#bytesPerSecond === undefined) return undefined;
    this.#refill();
    if (this.#queue.length === 0 && this.#isOpen()) {
      this.#balanceBytes -= bytes;
      return undefined;
    }
    if (this.#queue.length >= MAX_HELD_READS || !this.#held.take()) throw comeAgain();
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes, untilMs: performance.now() + MAX_HOLD_MS, resolve, reject });
      if (this.#queue.length === 1) this.#schedule();
    });
  }

  #isOpen(): boolean {
    return this.#bytesPerSecond === undefined || (this.#bytesPerSecond > 0 && this.#balanceBytes > 0);
  }

  #refill(): void {
    const nowMs = performance.now();
    const bytesPerMs = (this.#bytesPerSecond ?? 0) / 1000;
    const saved = this.#balanceBytes + bytesPerMs * (nowMs - this.#asOfMs);
    this.#balanceBytes = Math.min(bytesPerMs * BURST_MS, saved);
    this.#asOfMs = nowMs;
  }

  /** Lets in whose turn it is, and sends away who has waited for long enough. */
  #serve(): void {
    this.#refill();
    while (this.#queue.length > 0 && this.#isOpen()) {
      const read = this.#next();
      if (read === undefined) break;
      this.#balanceBytes -= read.bytes;
      read.resolve();
    }
    while ((this.#queue[0]?.untilMs ?? Infinity) <= performance.now()) this.#next()?.reject(comeAgain());
    this.#schedule();
  }

  #next(): HeldRead | undefined {
    const read = this.#queue.shift();
    if (read !== undefined) this.#held.give();
    return read;
  }

  /** Wakes when the bucket is above empty again, or when the oldest has waited for long enough. */
  #schedule(): void {
    clearTimeout(this.#timer);
    const [oldest] = this.#queue;
    if (oldest === undefined) return;
    const bytesPerMs = (this.#bytesPerSecond ?? 0) / 1000;
    const filledMs = bytesPerMs === 0 ? Infinity : Math.floor(-this.#balanceBytes / bytesPerMs) + 1;
    const leftMs = Math.ceil(oldest.untilMs - performance.now());
    this.#timer = setTimeout(() => this.#serve(), Math.max(1, Math.min(filledMs, leftMs)));
  }
}

function comeAgain(): Nfs3Error {
  return new Nfs3Error(Nfs3Status.JUKEBOX, 'The copy from this export is held back: come again.');
}
