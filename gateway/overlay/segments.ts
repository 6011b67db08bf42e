// The log's files: `segment-00000001`, `segment-00000002`, … Only the newest is written, by the run of the
// program that made it; the others are read. A segment begins with
//
//   0   8 bytes 'RDOVSEG1'    8  u32 number    12 u32 zero    16  32 bytes salt    48  zeros
//   64  a frame: JSON { previous, previousBytes }, the segment before it and how long that was
//
// so that a missing or shortened file is noticed. Records follow (record.ts).
import { type KeyObject, randomBytes } from 'node:crypto';
import { MAX_OPEN_SEGMENTS, PAGE_BYTES, RECORD_CACHE_BYTES } from './limits.ts';
import { offsetOf, pagesOf, recordOf, segmentOf } from './location.ts';
import { OverlayError } from './overlay-error.ts';
import { META_BYTES } from './record.ts';
import { fileKey, frameBytes, openFrame, SALT_BYTES, sealFrame } from './seal.ts';
import { type Storage, type StorageFile } from './storage.ts';

const MAGIC = Buffer.from('RDOVSEG1');
const PREAMBLE_BYTES = 64;
const SALT_AT = 16;
/** Preamble and first frame: what must be whole before a segment counts. */
const MAX_HEAD_BYTES = 512;

export interface SegmentLink {
  readonly previous: number;
  readonly previousBytes: number;
}

export interface OpenSegment {
  readonly file: StorageFile;
  readonly key: KeyObject;
  /** Where records begin. */
  readonly headBytes: number;
  readonly link: SegmentLink;
}

interface Segment {
  readonly number: number;
  lengthBytes: number;
  livePages: number;
  /** Open files are shared by their readers; the least recently used one is closed when there are too many. */
  open: Promise<OpenSegment> | undefined;
  readers: number;
  removed: boolean;
}

export const segmentName = (number: number): string => `segment-${String(number).padStart(8, '0')}`;

export function segmentNumber(name: string): number | undefined {
  const match = /^segment-([0-9]{8})$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Makes a segment, durable on return. Leaves no file behind when it fails, as far as the disk lets it. */
export async function createSegment(
  storage: Storage,
  overlayKey: Uint8Array,
  number: number,
  link: SegmentLink,
): Promise<OpenSegment> {
  const salt = randomBytes(SALT_BYTES);
  const key = segmentKey(overlayKey, salt, number);
  const body = Buffer.from(JSON.stringify(link));
  const head = Buffer.alloc(PREAMBLE_BYTES + frameBytes(body.byteLength));
  MAGIC.copy(head);
  head.writeUInt32BE(number, MAGIC.byteLength);
  salt.copy(head, SALT_AT);
  sealFrame(key, PREAMBLE_BYTES, 0, [body], head, PREAMBLE_BYTES);
  const file = await storage.open(segmentName(number), 'create');
  try {
    await file.write(0, head);
    await file.sync();
    await storage.syncNames();
  } catch (error) {
    await Promise.allSettled([file.close(), storage.remove(segmentName(number))]);
    throw error;
  }
  return { file, key, headBytes: head.byteLength, link };
}

/** Opens a segment; undefined when it never was whole, which only a crash while making it leaves behind. */
export async function openSegment(
  storage: Storage,
  overlayKey: Uint8Array,
  number: number,
  how: 'read' | 'repair' = 'read',
): Promise<OpenSegment | undefined> {
  const file = await storage.open(segmentName(number), how);
  try {
    const head = Buffer.alloc(MAX_HEAD_BYTES);
    const read = await file.read(0, head);
    const key = segmentKey(overlayKey, head.subarray(SALT_AT, SALT_AT + SALT_BYTES), number);
    const isSegment = head.subarray(0, MAGIC.byteLength).equals(MAGIC) && head.readUInt32BE(8) === number;
    const body = isSegment
      ? openFrame(key, PREAMBLE_BYTES, head.subarray(0, read), PREAMBLE_BYTES)
      : undefined;
    if (body !== undefined) {
      const link = JSON.parse(body.toString()) as SegmentLink;
      return { file, key, headBytes: PREAMBLE_BYTES + frameBytes(body.byteLength), link };
    }
    if (read === MAX_HEAD_BYTES) {
      throw new OverlayError(
        'Corrupt',
        `The beginning of ${storage.path}/${segmentName(number)} does not authenticate: it is damaged, or the ` +
          'key is another overlay’s. Restore the file from a copy; the session’s changes need it.',
      );
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

function segmentKey(overlayKey: Uint8Array, salt: Uint8Array, number: number): KeyObject {
  return fileKey(overlayKey, salt, segmentName(number));
}

export class Segments {
  readonly #storage: Storage;
  readonly #key: Uint8Array;
  readonly #segments = new Map<number, Segment>();
  readonly #cache = new Map<number, Buffer>();
  #cachedBytes = 0;
  #openCount = 0;
  #logBytes = 0;
  #livePages = 0;
  /** Segments up to this number are kept whole, whatever lives in them. */
  #pinnedUpTo = 0;
  #closed = false;

  constructor(storage: Storage, overlayKey: Uint8Array) {
    this.#storage = storage;
    this.#key = overlayKey;
  }

  /** Bytes that all log files take. */
  get logBytes(): number {
    return this.#logBytes;
  }

  /** Pages that are some file's content now. */
  get livePages(): number {
    return this.#livePages;
  }

  add(number: number, lengthBytes: number): void {
    if (this.#segments.has(number)) return;
    this.#segments.set(number, {
      number,
      lengthBytes,
      livePages: 0,
      open: undefined,
      readers: 0,
      removed: false,
    });
    this.#logBytes += lengthBytes;
  }

  grow(number: number, lengthBytes: number): void {
    const segment = this.#segments.get(number);
    if (segment === undefined) return;
    this.#logBytes += lengthBytes - segment.lengthBytes;
    segment.lengthBytes = lengthBytes;
  }

  lengths(): [number, number][] {
    return [...this.#segments.values()].map((segment) => [segment.number, segment.lengthBytes]);
  }

  /** Counts a page that became a file's content. Throws OverlayError Corrupt when its log file is not there. */
  retain(location: number): void {
    const segment = this.#segments.get(segmentOf(location));
    if (segment === undefined) {
      const name = `${this.#storage.path}/${segmentName(segmentOf(location))}`;
      throw new OverlayError('Corrupt', `${name} is missing, and changes of the session were in it.`);
    }
    segment.livePages += 1;
    this.#livePages += 1;
  }

  release(location: number): void {
    const segment = this.#segments.get(segmentOf(location));
    if (segment === undefined) return;
    segment.livePages -= 1;
    this.#livePages -= 1;
  }

  /** Keeps every segment that is there now, with what lives in it now, until `unpin`. */
  pin(): void {
    this.#pinnedUpTo = Math.max(0, ...this.#segments.keys());
  }

  unpin(): void {
    this.#pinnedUpTo = 0;
  }

  /** Segments older than `before` in which nothing lives. */
  dead(before: number): number[] {
    return this.#removable(before)
      .filter((segment) => segment.livePages === 0)
      .map((segment) => segment.number);
  }

  /** Segments older than `before`, those with the least content for their size first. */
  sparsest(before: number): { number: number; lengthBytes: number; livePages: number }[] {
    return this.#removable(before).sort((a, b) => a.livePages / a.lengthBytes - b.livePages / b.lengthBytes);
  }

  /** What those hold that may be removed: bytes of log, and pages that live. */
  removable(): { logBytes: number; livePages: number } {
    if (this.#pinnedUpTo === 0) return { logBytes: this.#logBytes, livePages: this.#livePages };
    let logBytes = 0;
    let livePages = 0;
    for (const segment of this.#removable(Infinity)) {
      logBytes += segment.lengthBytes;
      livePages += segment.livePages;
    }
    return { logBytes, livePages };
  }

  #removable(before: number): Segment[] {
    const pinnedUpTo = this.#pinnedUpTo;
    return [...this.#segments.values()].filter(({ number }) => number > pinnedUpTo && number < before);
  }

  async remove(number: number): Promise<void> {
    const segment = this.#segments.get(number);
    if (segment === undefined) return;
    await this.#storage.remove(segmentName(number));
    this.#segments.delete(number);
    this.#logBytes -= segment.lengthBytes;
    segment.removed = true;
    if (segment.readers === 0) await this.#close(segment);
  }

  /** Every log file in which something lives is there, as long as it was. Throws OverlayError Corrupt. */
  async verifyFiles(): Promise<void> {
    const sizes = new Map((await this.#storage.list()).map(({ name, sizeBytes }) => [name, sizeBytes]));
    for (const { number, lengthBytes, livePages } of [...this.#segments.values()]) {
      const sizeBytes = sizes.get(segmentName(number));
      if (sizeBytes !== undefined && sizeBytes >= lengthBytes) continue;
      const path = `${this.#storage.path}/${segmentName(number)}`;
      if (livePages > 0) {
        throw new OverlayError(
          'Corrupt',
          `${path} ${sizeBytes === undefined ? 'is missing' : `has ${sizeBytes} of ${lengthBytes} bytes`}: ` +
            `${livePages} pages of the session’s changes were in it. Restore the file from a copy, or stop the ` +
            'session to discard its changes.',
        );
      }
      this.#segments.delete(number);
      this.#logBytes -= lengthBytes;
    }
  }

  /** The pages of the record that a location is in, when they are in memory. */
  cached(location: number): Buffer | undefined {
    return this.#cache.get(recordOf(location));
  }

  /** The pages of the record that a location is in. Throws OverlayError Corrupt. */
  async read(location: number): Promise<Buffer> {
    const record = recordOf(location);
    const cached = this.#cache.get(record);
    if (cached !== undefined) return cached;
    const pages = await this.#readRecord(segmentOf(location), offsetOf(location), pagesOf(location));
    this.#remember(record, pages);
    return pages;
  }

  async #readRecord(number: number, offsetBytes: number, pages: number): Promise<Buffer> {
    if (this.#closed) throw new OverlayError('Closed', 'The export was closed.');
    const where = `${this.#storage.path}/${segmentName(number)} at ${offsetBytes}`;
    const segment = this.#segments.get(number);
    if (segment === undefined)
      throw new OverlayError('Corrupt', `${where} is needed, and the file is missing.`);
    segment.readers += 1;
    try {
      const open = await this.#opened(segment);
      const frame = Buffer.allocUnsafe(frameBytes(META_BYTES + pages * PAGE_BYTES));
      const read = await open.file.read(offsetBytes, frame);
      const body = openFrame(open.key, offsetBytes, frame.subarray(0, read), 0);
      if (body?.byteLength !== META_BYTES + pages * PAGE_BYTES) {
        throw new OverlayError(
          'Corrupt',
          `${where} does not authenticate: ${pages} pages of the session’s changes are damaged on the gateway’s disk.`,
        );
      }
      return body.subarray(META_BYTES);
    } finally {
      segment.readers -= 1;
      if (segment.removed && segment.readers === 0) await this.#close(segment);
    }
  }

  #remember(record: number, pages: Buffer): void {
    if (this.#cache.has(record)) return;
    this.#cache.set(record, pages);
    this.#cachedBytes += pages.byteLength;
    for (const [oldest, bytes] of this.#cache) {
      if (this.#cachedBytes <= RECORD_CACHE_BYTES) break;
      this.#cache.delete(oldest);
      this.#cachedBytes -= bytes.byteLength;
    }
  }

  async #opened(segment: Segment): Promise<OpenSegment> {
    if (segment.open === undefined) {
      await this.#makeRoom();
      segment.open ??= this.#open(segment);
    } else {
      // Moved to the end: the Map's order is that of use.
      this.#segments.delete(segment.number);
      this.#segments.set(segment.number, segment);
    }
    return segment.open;
  }

  async #open(segment: Segment): Promise<OpenSegment> {
    this.#openCount += 1;
    try {
      const open = await openSegment(this.#storage, this.#key, segment.number);
      if (open !== undefined) return open;
      const name = `${this.#storage.path}/${segmentName(segment.number)}`;
      throw new OverlayError('Corrupt', `${name} is shorter than its own header.`);
    } catch (error) {
      this.#openCount -= 1;
      segment.open = undefined;
      throw error;
    }
  }

  async #makeRoom(): Promise<void> {
    if (this.#openCount < MAX_OPEN_SEGMENTS) return;
    for (const segment of this.#segments.values()) {
      if (segment.open === undefined || segment.readers > 0) continue;
      await this.#close(segment);
      return;
    }
  }

  async #close(segment: Segment): Promise<void> {
    const open = segment.open;
    if (open === undefined) return;
    segment.open = undefined;
    this.#openCount -= 1;
    const { file } = await open;
    await file.close();
  }

  /** Closes every file, those that are being read when that is done. Nothing is read afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const segment of [...this.#segments.values()]) {
      segment.removed = true;
      if (segment.readers === 0) await this.#close(segment);
    }
    this.#cache.clear();
  }
}
