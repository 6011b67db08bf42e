// What keeps an overlay small and quick to open: checkpoints, compaction, and the account of its space. Beside
// the writes, one task at a time.
//
// A log file goes when nothing in it lives and a checkpoint stands after it. Compaction moves what still lives
// in the sparsest files to the end of the log. It begins when half of the log is garbage, or a fifth of the quota.
import { writeCheckpoint } from './checkpoint.ts';
import {
  CHECKPOINT_LOG_BYTES,
  CHECKPOINT_LOG_FACTOR,
  CHECKPOINT_RETRY_LOG_BYTES,
  COMPACTION_BATCH_RECORDS,
  COMPACTION_ROUND_BYTES,
  MAX_RECORD_PAGES,
  MIN_COMPACTION_BYTES,
  PAGE_BYTES,
} from './limits.ts';
import { ABSENT, segmentOf, ZERO } from './location.ts';
import { type Log } from './log.ts';
import { OverlayError } from './overlay-error.ts';
import { CHUNK_PAGES } from './page-table.ts';
import { META_BYTES } from './record.ts';
import { frameBytes } from './seal.ts';
import { type Segments } from './segments.ts';
import { type Storage } from './storage.ts';
import { type Inode, type Tree } from './tree.ts';

/** What one page costs in the log when it is written alone: the most. */
const PAGE_COST_BYTES = frameBytes(META_BYTES + PAGE_BYTES);
const QUOTA_GARBAGE_SHARE = 5;
/** A file this full is not worth moving. */
const SPARSE = 0.85;

export interface MaintenanceOptions {
  readonly storage: Storage;
  readonly overlayKey: Uint8Array;
  readonly quotaBytes: number;
  readonly tree: Tree;
  readonly segments: Segments;
  readonly log: Log;
  /** Size of the checkpoint that was loaded; 0 without one. */
  readonly checkpointBytes: number;
  /** Log that had to be replayed after it. */
  readonly replayedBytes: number;
  /** Writes those of the pages anew whose location `from` accepts. */
  readonly movePages: (
    inode: Inode,
    firstPage: number,
    pages: number,
    from: (location: number) => boolean,
  ) => Promise<void>;
  /** Ends what holds segments for longer than they live. False when nothing does. */
  readonly unpin: () => boolean;
  readonly onProblem: (error: Error) => void;
}

export class Maintenance {
  readonly #options: MaintenanceOptions;
  #checkpointBytes: number;
  /** Log bytes (since opening) that the last checkpoint covers. Negative: what was replayed counts too. */
  #coveredBytes: number;
  /** Log bytes (since opening) before which none is begun beside the writes. */
  #notBeforeBytes = 0;
  #running: Promise<void> | undefined;
  #closed = false;
  #quotaBytes: number;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#quotaBytes = options.quotaBytes;
    this.#checkpointBytes = options.checkpointBytes;
    this.#coveredBytes = -options.replayedBytes;
  }

  get checkpointBytes(): number {
    return this.#checkpointBytes;
  }

  /** Bytes of the log that are no file's content any more, and that a compaction can reach. */
  get #garbageBytes(): number {
    const { logBytes, livePages } = this.#options.segments.removable();
    return logBytes - livePages * PAGE_COST_BYTES;
  }

  get #usedBytes(): number {
    const { segments, log } = this.#options;
    return segments.logBytes + log.queuedBytes + this.#checkpointBytes;
  }

  setQuota(quotaBytes: number): void {
    this.#quotaBytes = quotaBytes;
  }

  /** Whether so many bytes more stay within the quota. */
  fits(bytes: number): boolean {
    return this.#usedBytes + Math.ceil(bytes / PAGE_BYTES) * PAGE_COST_BYTES <= this.#quotaBytes;
  }

  /**
   * Resolves when so many bytes fit, after a compaction where that helps. What a view of an earlier moment holds
   * counts as used; it is given up before a write is refused. Throws OverlayError NoSpace.
   */
  async makeRoom(bytes: number): Promise<void> {
    const worthwhile = Math.min(MIN_COMPACTION_BYTES, this.#quotaBytes / QUOTA_GARBAGE_SHARE);
    while (!this.fits(bytes)) {
      if (this.#running !== undefined) {
        await this.#running.catch(() => undefined);
        continue;
      }
      if (this.#garbageBytes >= worthwhile) await this.compact();
      if (!this.fits(bytes) && !this.#options.unpin()) throw this.#noSpace();
    }
  }

  #noSpace(): OverlayError {
    return new OverlayError(
      'NoSpace',
      `${this.#options.storage.path} takes ${this.#usedBytes} of the ${this.#quotaBytes} bytes that are reserved ` +
        'for the session’s changes. Free space inside the guest does not help; finalize or stop the session.',
    );
  }

  /** After each record: begins what is due, beside the writes. */
  afterRecord(): void {
    if (this.#running !== undefined || this.#closed || !this.#checkpointDue()) return;
    this.#inTheBackground(async () => {
      await this.#checkpoint();
      if (this.#compactionDue()) await this.#compact();
    });
  }

  /** After segments were let go: removes what that made garbage, if it is much. */
  afterUnpin(): void {
    if (this.#running !== undefined || this.#closed || !this.#compactionDue()) return;
    this.#inTheBackground(() => this.#compact());
  }

  checkpoint(): Promise<void> {
    return this.#exclusively(() => this.#checkpoint());
  }

  compact(): Promise<void> {
    return this.#exclusively(() => this.#compact());
  }

  /** Waits for what runs, and begins nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.idle();
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
  }

  /** Writes a checkpoint where the next start would have something to replay. */
  async leaveCheckpoint(): Promise<void> {
    const { log, onProblem } = this.#options;
    if (log.failed !== undefined || log.appendedBytes === this.#coveredBytes) return;
    await this.#checkpoint().catch((error: unknown) => onProblem(asError(error)));
  }

  #checkpointDue(): boolean {
    const { appendedBytes } = this.#options.log;
    const due = Math.max(CHECKPOINT_LOG_BYTES, CHECKPOINT_LOG_FACTOR * this.#checkpointBytes);
    return appendedBytes >= this.#notBeforeBytes && appendedBytes - this.#coveredBytes >= due;
  }

  #compactionDue(): boolean {
    const { segments } = this.#options;
    const quotaBytes = this.#quotaBytes;
    const live = segments.livePages * PAGE_COST_BYTES;
    const limit = Math.max(MIN_COMPACTION_BYTES, Math.min(live, quotaBytes / QUOTA_GARBAGE_SHARE));
    return this.#garbageBytes >= limit;
  }

  async #checkpoint(): Promise<number> {
    const { storage, overlayKey, tree, segments, log } = this.#options;
    const end = await log.roll();
    const covered = log.appendedBytes;
    const lengths = segments.lengths().filter(([number]) => number <= end.number);
    this.#checkpointBytes = await writeCheckpoint(storage, overlayKey, tree, end, lengths);
    this.#coveredBytes = covered;
    for (const number of segments.dead(end.number + 1)) await segments.remove(number);
    return end.number;
  }

  /** In rounds, so that what is moved takes little room beside what it was moved from. */
  async #compact(): Promise<void> {
    const end = await this.#checkpoint();
    for (let sparse = this.#sparse(end); sparse.size > 0; sparse = this.#sparse(end)) {
      await this.#move((location) => location > ZERO && sparse.has(segmentOf(location)));
      await this.#checkpoint();
    }
  }

  /** The sparsest log files up to `last` that hold together no more than a round moves; at least one if any is sparse. */
  #sparse(last: number): Set<number> {
    const sparse = new Set<number>();
    let bytes = 0;
    for (const { number, lengthBytes, livePages } of this.#options.segments.sparsest(last + 1)) {
      const liveBytes = livePages * PAGE_COST_BYTES;
      if (
        liveBytes >= SPARSE * lengthBytes ||
        (sparse.size > 0 && bytes + liveBytes > COMPACTION_ROUND_BYTES)
      )
        break;
      sparse.add(number);
      bytes += liveBytes;
    }
    return sparse;
  }

  async #move(from: (location: number) => boolean): Promise<void> {
    let moving: Promise<void>[] = [];
    for (const inode of [...this.#options.tree.inodes.values()]) {
      for (const [number] of [...inode.pages.chunks()]) {
        for (let at = 0; at < CHUNK_PAGES; at += MAX_RECORD_PAGES) {
          const firstPage = number * CHUNK_PAGES + at;
          if (!anyOf(inode, firstPage, from)) continue;
          moving.push(this.#options.movePages(inode, firstPage, MAX_RECORD_PAGES, from));
        }
        if (moving.length < COMPACTION_BATCH_RECORDS) continue;
        await Promise.all(moving);
        moving = [];
      }
    }
    await Promise.all(moving);
  }

  #inTheBackground(task: () => Promise<void>): void {
    this.#exclusively(task).catch((error: unknown) => {
      this.#notBeforeBytes = this.#options.log.appendedBytes + CHECKPOINT_RETRY_LOG_BYTES;
      // Where the disk is full or the log gave up, writers are told; both are no news from here.
      const known = error instanceof OverlayError && error.code !== 'Corrupt';
      if (!known) this.#options.onProblem(asError(error));
    });
  }

  async #exclusively(task: () => Promise<unknown>): Promise<void> {
    // Not `idle()`: between the last look and the beginning nobody else may begin.
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    const running = task().then(() => undefined);
    this.#running = running;
    try {
      await running;
    } finally {
      this.#running = undefined;
    }
  }
}

function anyOf(inode: Inode, firstPage: number, from: (location: number) => boolean): boolean {
  for (let page = firstPage; page < firstPage + MAX_RECORD_PAGES; page++) {
    const location = inode.pages.get(page);
    if (location !== ABSENT && from(location)) return true;
  }
  return false;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
