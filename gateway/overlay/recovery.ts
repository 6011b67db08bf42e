// Reading the log back. Every segment but the newest was complete before the next was begun, and its length
// stands in the next one's head: any damage there is a loss of acknowledged data, and refused. The newest can
// end in a batch that was on its way when the machine or the process died: its torn rest is cut off.
//
// The two are told apart by the batches: a batch is begun when the one before it is durable. So a frame of a
// later batch behind the damage proves that the damaged bytes were acknowledged once. What can't be told from a
// torn tail is damage to the very last batch.
import { SLOT_BYTES } from './limits.ts';
import { ABSENT, recordLocation } from './location.ts';
import { type LogEnd, MAX_TORN_BYTES } from './log.ts';
import { OverlayError } from './overlay-error.ts';
import { decodeRecord, type LogRecord } from './record.ts';
import { frameBytes, frameHeader, openFrame } from './seal.ts';
import { type OpenSegment, openSegment, type SegmentLink, segmentName, segmentNumber } from './segments.ts';
import { type Storage } from './storage.ts';

/** Read at once while replaying; at least one frame of any size fits. */
const WINDOW_BYTES = 2 * MAX_TORN_BYTES;

export interface ReplayOptions {
  readonly storage: Storage;
  readonly overlayKey: Uint8Array;
  /** Where the checkpoint stands; zeros without one. */
  readonly from: LogEnd;
  readonly onSegment: (number: number, lengthBytes: number) => void;
  readonly onRecord: (record: LogRecord, location: number) => void;
}

/** Replays what came after `from`, and repairs the end. Answers where the log stands. Throws OverlayError Corrupt. */
export async function replay(options: ReplayOptions): Promise<LogEnd> {
  const chain = await chainAfter(options);
  let end = options.from;
  for (const [index, { number }] of chain.entries()) {
    const next = chain[index + 1];
    const lengthBytes =
      next === undefined
        ? await replayNewest(options, number)
        : await replaySealed(options, number, next.link.previousBytes);
    options.onSegment(number, lengthBytes);
    end = { number, lengthBytes };
  }
  return end;
}

interface ChainLink {
  readonly number: number;
  readonly link: SegmentLink;
}

/** The segments after the checkpoint, oldest first; each names the one before it. Removes what never became one. */
async function chainAfter({ storage, overlayKey, from }: ReplayOptions): Promise<ChainLink[]> {
  const numbers = (await storage.list())
    .map(({ name }) => segmentNumber(name))
    .filter((number) => number !== undefined && number > from.number)
    .sort((a, b) => (b ?? 0) - (a ?? 0));
  const chain: ChainLink[] = [];
  for (const number of numbers) {
    if (number === undefined) continue;
    const wanted = chain[0]?.link.previous;
    if (wanted !== undefined && number < wanted) break;
    const open = await openSegment(storage, overlayKey, number);
    await open?.file.close();
    if (open === undefined || (wanted !== undefined && number !== wanted)) {
      await removeUnborn(storage, number, open);
    } else {
      chain.unshift({ number, link: open.link });
    }
  }
  assertReaches(storage, chain, from);
  return chain;
}

/** A segment that was being made when the disk was full or the process died. One with records would be in the chain. */
async function removeUnborn(storage: Storage, number: number, open: OpenSegment | undefined): Promise<void> {
  const name = segmentName(number);
  const sizeBytes = (await storage.list()).find((file) => file.name === name)?.sizeBytes ?? 0;
  if (open !== undefined && sizeBytes > open.headBytes) {
    throw new OverlayError(
      'Corrupt',
      `${storage.path}/${name} holds records, and no later segment follows it.`,
    );
  }
  await storage.remove(name);
  await storage.syncNames();
}

function assertReaches(storage: Storage, chain: readonly ChainLink[], from: LogEnd): void {
  const first = chain[0];
  if (first === undefined) return;
  const { previous, previousBytes } = first.link;
  if (previous === from.number && previousBytes === from.lengthBytes) return;
  throw new OverlayError(
    'Corrupt',
    `${storage.path}/${segmentName(first.number)} follows ${segmentName(previous)} of ${previousBytes} bytes, but the ` +
      `log before it ends with segment ${from.number} of ${from.lengthBytes} bytes: a file is missing.`,
  );
}

async function replaySealed(options: ReplayOptions, number: number, lengthBytes: number): Promise<number> {
  const open = await mustOpen(options, number, 'read');
  try {
    const end = await replayFrames(options, open, number, lengthBytes);
    if (end === lengthBytes) return end;
    throw corruptAt(options.storage, number, end);
  } finally {
    await open.file.close();
  }
}

async function replayNewest(options: ReplayOptions, number: number): Promise<number> {
  const open = await mustOpen(options, number, 'repair');
  try {
    const sizeBytes = await open.file.size();
    const end = await replayFrames(options, open, number, sizeBytes);
    if (end < sizeBytes) await cutTornTail(options.storage, open, number, end, sizeBytes);
    return end;
  } finally {
    await open.file.close();
  }
}

async function mustOpen(
  options: ReplayOptions,
  number: number,
  how: 'read' | 'repair',
): Promise<OpenSegment> {
  const open = await openSegment(options.storage, options.overlayKey, number, how);
  if (open === undefined) throw corruptAt(options.storage, number, 0);
  return open;
}

/** Hands out the records up to `limitBytes`; answers where the first one is that does not authenticate. */
async function replayFrames(
  { onRecord }: ReplayOptions,
  { file, key, headBytes }: OpenSegment,
  number: number,
  limitBytes: number,
): Promise<number> {
  const window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(limitBytes - headBytes, 0)));
  let windowOffset = headBytes;
  let windowBytes = 0;
  let offset = headBytes;
  while (offset < limitBytes) {
    let frame = frameWithin(window.subarray(0, windowBytes), offset - windowOffset);
    if (frame === undefined) {
      windowOffset = offset;
      windowBytes = await file.read(
        offset,
        window.subarray(0, Math.min(window.byteLength, limitBytes - offset)),
      );
      frame = frameWithin(window.subarray(0, windowBytes), 0);
    }
    const body = frame && openFrame(key, offset, window.subarray(0, windowBytes), offset - windowOffset);
    if (frame === undefined || body === undefined) break;
    const record = decodeRecord(body);
    onRecord(record, record.kind === 'data' ? recordLocation(number, offset, record.pages) : ABSENT);
    offset += frame.frameBytes;
  }
  return offset;
}

function frameWithin(window: Buffer, at: number): { frameBytes: number } | undefined {
  const header = frameHeader(window, at);
  if (header === undefined) return undefined;
  const total = frameBytes(header.bodyBytes);
  return at + total <= window.byteLength ? { frameBytes: total } : undefined;
}

async function cutTornTail(
  storage: Storage,
  { file, key }: OpenSegment,
  number: number,
  end: number,
  sizeBytes: number,
): Promise<void> {
  const tail = Buffer.allocUnsafe(sizeBytes - end > MAX_TORN_BYTES ? 0 : sizeBytes - end);
  if (tail.byteLength === 0) throw corruptAt(storage, number, end);
  await file.read(end, tail);
  for (let at = SLOT_BYTES; at < tail.byteLength; at += SLOT_BYTES) {
    const header = frameHeader(tail, at);
    if (header === undefined || header.batchOffsetBytes <= end) continue;
    if (openFrame(key, end + at, tail, at) !== undefined) throw corruptAt(storage, number, end);
  }
  await file.truncate(end);
  await file.sync();
}

function corruptAt(storage: Storage, number: number, offsetBytes: number): OverlayError {
  return new OverlayError(
    'Corrupt',
    `${storage.path}/${segmentName(number)} is damaged at byte ${offsetBytes}, where acknowledged changes of the ` +
      'session were. It is not served, so that nothing is silently lost. Restore the file from a copy, or stop the session to discard its changes.',
  );
}
