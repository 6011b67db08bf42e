// What the log is made of: a record sets pages of one file, zeroes pages of one file, or changes names and
// attributes. The body of its frame begins with 48 bytes that say which:
//
//   0  u8   kind: 1 data, 2 zeros, 3 names
//   1  u8   1: keeps the file's times (compaction moved the pages)
//   4  u32  pages
//   8  u32  file
//   16 u64  first page
//   24 u64  the file is at least this long, bytes
//   32 u32  mtime and ctime, seconds     36 u32  nanoseconds
//   48 …    data: the pages. names: a JSON array of effects (tree.ts)
import { type NfsTime } from '../../nfs/index.ts';
import { type Effect } from './tree.ts';

export const META_BYTES = 48;

export interface PagesRecord {
  readonly kind: 'data' | 'zeros';
  readonly fileId: number;
  readonly firstPage: number;
  readonly pages: number;
  readonly endBytes: number;
  readonly at: NfsTime;
  readonly keepsTimes: boolean;
}

export interface NamesRecord {
  readonly kind: 'names';
  readonly effects: readonly Effect[];
}

export type LogRecord = PagesRecord | NamesRecord;

const KINDS = ['data', 'zeros', 'names'] as const;

export function encodeMeta(record: LogRecord): Buffer {
  const meta = Buffer.alloc(META_BYTES);
  meta[0] = KINDS.indexOf(record.kind) + 1;
  if (record.kind === 'names') return meta;
  meta[1] = record.keepsTimes ? 1 : 0;
  meta.writeUInt32BE(record.pages, 4);
  meta.writeUInt32BE(record.fileId, 8);
  writeSafe(meta, record.firstPage, 16);
  writeSafe(meta, record.endBytes, 24);
  meta.writeUInt32BE(record.at.seconds, 32);
  meta.writeUInt32BE(record.at.nanoseconds, 36);
  return meta;
}

/** The record of an authenticated body; what it says was written by this program. */
export function decodeRecord(body: Buffer): LogRecord {
  const kind = KINDS[(body[0] ?? 0) - 1];
  if (kind === undefined || body.byteLength < META_BYTES)
    throw new Error(`no record of kind ${body[0] ?? 'none'}`);
  if (kind === 'names') {
    return { kind, effects: JSON.parse(body.toString('utf8', META_BYTES)) as Effect[] };
  }
  return {
    kind,
    keepsTimes: body[1] === 1,
    pages: body.readUInt32BE(4),
    fileId: body.readUInt32BE(8),
    firstPage: readSafe(body, 16),
    endBytes: readSafe(body, 24),
    at: { seconds: body.readUInt32BE(32), nanoseconds: body.readUInt32BE(36) },
  };
}

export function encodeEffects(effects: readonly Effect[]): Buffer {
  return Buffer.from(JSON.stringify(effects));
}

function writeSafe(into: Buffer, value: number, at: number): void {
  into.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  into.writeUInt32BE(value % 2 ** 32, at + 4);
}

function readSafe(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * 2 ** 32 + from.readUInt32BE(at + 4);
}
