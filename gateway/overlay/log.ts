// The writing end of the log. Whoever appends waits for a batch: everything that queued up while the one before
// was on its way to the disk is sealed, written with one call and made durable with one fdatasync (group commit).
// A record takes effect in memory after that, in the order of the log; then its writer is answered.
//
// When the disk fails:
// - no space: the batch is refused, the file is cut back to what was acknowledged and never written again (its
//   nonces are spent), and the next batch begins a new file. Nothing else is lost.
// - anything else, above all a failed fdatasync: nobody knows what reached the disk, and asking again would be
//   told a lie (the kernel forgets the error with the pages). The log has failed: no write is accepted until
//   it was opened again and read back.
import {
  MAX_BATCH_BYTES,
  MAX_NAMES_BYTES,
  MAX_QUEUED_BYTES,
  MAX_SEGMENT_BYTES,
  SLOT_BYTES,
} from './limits.ts';
import { ABSENT, recordLocation } from './location.ts';
import { diskFull, isDiskFull, OverlayError } from './overlay-error.ts';
import { encodeEffects, encodeMeta, type LogRecord, META_BYTES } from './record.ts';
import { frameBytes, sealFrame } from './seal.ts';
import { createSegment, type OpenSegment, type Segments, segmentName } from './segments.ts';
import { type Storage } from './storage.ts';

/** The longest stretch that one batch can be: what may be torn at the end of the log. */
export const MAX_TORN_BYTES = MAX_BATCH_BYTES + frameBytes(META_BYTES + MAX_NAMES_BYTES);

interface Queued {
  /** Undefined: waits for what came before, and writes nothing. */
  readonly record: LogRecord | undefined;
  /** Runs between two batches, in its turn. */
  readonly task?: () => Promise<void>;
  readonly payload: Uint8Array | undefined;
  readonly frameBytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Current {
  readonly number: number;
  readonly open: OpenSegment;
  lengthBytes: number;
}

/** Where the log stands: the last segment that exists, and its length. Zeros before the first. */
export interface LogEnd {
  readonly number: number;
  readonly lengthBytes: number;
}

export interface LogOptions {
  readonly storage: Storage;
  readonly overlayKey: Uint8Array;
  readonly segments: Segments;
  readonly end: LogEnd;
  /** The record is on stable storage; `location` is that of its first page, ABSENT for names. */
  readonly onDurable: (record: LogRecord, location: number) => void;
  /** Called once, when the log stops to accept writes. */
  readonly onFailed: (error: OverlayError) => void;
}

export class Log {
  readonly #options: LogOptions;
  readonly #batchBuffer = Buffer.allocUnsafeSlow(MAX_TORN_BYTES);
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #flushing: Promise<void> | undefined;
  #current: Current | undefined;
  #end: LogEnd;
  #nextNumber: number;
  #failed: OverlayError | undefined;
  #appendedBytes = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#end = options.end;
    this.#nextNumber = options.end.number + 1;
  }

  /** Bytes written since the log was opened. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get failed(): OverlayError | undefined {
    return this.#failed;
  }

  /** Nothing is on its way. */
  idle(): boolean {
    return this.#flushing === undefined;
  }

  /** Resolves when the record is durable and took effect. `payload` may not change until then. */
  append(record: LogRecord, payload: Uint8Array | undefined): Promise<void> {
    const bytes = payload ?? (record.kind === 'names' ? encodeEffects(record.effects) : undefined);
    const size = frameBytes(META_BYTES + (bytes?.byteLength ?? 0));
    if (size > MAX_TORN_BYTES - MAX_BATCH_BYTES) {
      return Promise.reject(new RangeError(`A record of ${size} bytes is more than the log takes.`));
    }
    return this.#enqueue(record, bytes, size);
  }

  /** Resolves when all that was appended so far is durable, or was refused. */
  barrier(): Promise<void> {
    return this.idle() ? Promise.resolve() : this.#enqueue(undefined, undefined, 0);
  }

  /** Resolves when there is room to queue more. */
  async room(): Promise<void> {
    while (this.#queuedBytes > MAX_QUEUED_BYTES && this.#failed === undefined) await this.barrier();
  }

  /** Ends the current segment. Answers where the log stands; what comes later goes into segments after it. */
  async roll(): Promise<LogEnd> {
    let end = this.#end;
    await this.#enqueue(undefined, undefined, 0, async () => {
      await this.#endSegment();
      end = this.#end;
    });
    return end;
  }

  /** Writes what was appended, then accepts no more. */
  async close(): Promise<void> {
    await this.barrier().catch(() => undefined);
    this.#failed ??= new OverlayError('Closed', 'The export was closed.');
    while (this.#flushing !== undefined) await this.#flushing;
    await this.#endSegment();
  }

  async #endSegment(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.open.file.close();
  }

  #enqueue(
    record: LogRecord | undefined,
    payload: Uint8Array | undefined,
    size: number,
    task?: () => Promise<void>,
  ): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#queue.push({ record, payload, frameBytes: size, resolve, reject, ...(task && { task }) });
      this.#queuedBytes += size;
      this.#flushing ??= this.#flush();
    });
  }

  async #flush(): Promise<void> {
    // The writes that arrive in this turn of the event loop share the first batch.
    await new Promise(setImmediate);
    while (this.#queue.length > 0) await this.#commit(this.#takeBatch());
    this.#flushing = undefined;
  }

  #takeBatch(): Queued[] {
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      if (bytes >= MAX_BATCH_BYTES || (queued.task !== undefined && count > 0)) break;
      bytes += queued.frameBytes;
      count += 1;
      if (queued.task !== undefined) break;
    }
    return this.#queue.splice(0, count);
  }

  async #commit(batch: readonly Queued[]): Promise<void> {
    let bytes = 0;
    for (const queued of batch) bytes += queued.frameBytes;
    try {
      if (this.#failed !== undefined) throw this.#failed;
      if (bytes > 0) await this.#write(batch, bytes);
      await batch[0]?.task?.();
      for (const queued of batch) queued.resolve();
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      for (const queued of batch) queued.reject(reason);
    } finally {
      this.#queuedBytes -= bytes;
    }
  }

  async #write(batch: readonly Queued[], bytes: number): Promise<void> {
    const current = await this.#segmentFor(bytes);
    const start = current.lengthBytes;
    const locations = this.#seal(current, batch);
    try {
      await current.open.file.write(start, this.#batchBuffer.subarray(0, bytes));
      await current.open.file.sync();
    } catch (error) {
      throw await this.#abandon(current, error);
    }
    current.lengthBytes = start + bytes;
    this.#end = { number: current.number, lengthBytes: current.lengthBytes };
    this.#appendedBytes += bytes;
    this.#options.segments.grow(current.number, current.lengthBytes);
    for (const [index, queued] of batch.entries()) {
      if (queued.record !== undefined) this.#options.onDurable(queued.record, locations[index] ?? ABSENT);
    }
  }

  /** Seals the batch into the buffer; answers where each record will be. */
  #seal(current: Current, batch: readonly Queued[]): number[] {
    const locations: number[] = [];
    let at = 0;
    for (const { record, payload } of batch) {
      if (record === undefined) {
        locations.push(ABSENT);
        continue;
      }
      const offset = current.lengthBytes + at;
      locations.push(record.kind === 'data' ? recordLocation(current.number, offset, record.pages) : ABSENT);
      const parts = payload === undefined ? [encodeMeta(record)] : [encodeMeta(record), payload];
      at += sealFrame(current.open.key, offset, current.lengthBytes, parts, this.#batchBuffer, at);
    }
    return locations;
  }

  async #segmentFor(bytes: number): Promise<Current> {
    if (this.#current !== undefined && this.#current.lengthBytes + bytes <= MAX_SEGMENT_BYTES - SLOT_BYTES) {
      return this.#current;
    }
    await this.#endSegment();
    const number = this.#nextNumber++;
    const { storage, overlayKey, segments } = this.#options;
    try {
      const link = { previous: this.#end.number, previousBytes: this.#end.lengthBytes };
      const open = await createSegment(storage, overlayKey, number, link);
      this.#current = { number, open, lengthBytes: open.headBytes };
    } catch (error) {
      throw isDiskFull(error) ? diskFull(storage.path, error) : this.#fail(segmentName(number), error);
    }
    this.#end = { number, lengthBytes: this.#current.lengthBytes };
    segments.add(number, this.#current.lengthBytes);
    return this.#current;
  }

  /** After a failed write: cuts the segment back to what was acknowledged, or gives the log up. */
  async #abandon(current: Current, error: unknown): Promise<OverlayError> {
    const name = segmentName(current.number);
    this.#current = undefined;
    try {
      if (!isDiskFull(error)) return this.#fail(name, error);
      await current.open.file.truncate(current.lengthBytes);
      await current.open.file.sync();
      return diskFull(this.#options.storage.path, error);
    } catch (truncateError) {
      return this.#fail(name, truncateError);
    } finally {
      await current.open.file.close().catch(() => undefined);
    }
  }

  #fail(name: string, cause: unknown): OverlayError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const { storage, onFailed } = this.#options;
    const error = new OverlayError(
      'Failed',
      `Writing ${storage.path}/${name} failed (${reason}): nothing more is written to this export, because ` +
        'nothing more could be promised. Check the disk, then restart the gateway: what was acknowledged is read back.',
      { cause },
    );
    if (this.#failed === undefined) {
      this.#failed = error;
      onFailed(error);
    }
    return error;
  }
}
