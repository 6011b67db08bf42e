// Reading a file: log where pages were written, image where not, zeros where neither is. Neighbours that come from
// one place are read with one call. What is in memory, and zeros, need no I/O and no promise.
import { type Awaitable } from '../../nfs/index.ts';
import { PAGE_BYTES } from './limits.ts';
import { ABSENT, pageIndexOf, recordOf, ZERO } from './location.ts';
import { type Segments } from './segments.ts';
import { type BaseReference } from './tree.ts';

/** Reads the image under a file: fills `into` from `offsetBytes` of the disk `diskName`. */
export type BaseReader = (diskName: string, offsetBytes: number, into: Uint8Array) => Promise<void>;

/** What there is to know of a file to read it: as it is, or as it was at some moment. */
export interface FileContent {
  readonly sizeBytes: number;
  readonly base: BaseReference | undefined;
  readonly pages: { get(page: number): number };
}

/** At most `countBytes` from `offsetBytes`; fewer only at the end of the file. */
export function readContent(
  inode: FileContent,
  offsetBytes: number,
  countBytes: number,
  segments: Segments,
  base: BaseReader,
): Awaitable<{ bytes: Buffer; eof: boolean }> {
  const sizeBytes = inode.sizeBytes;
  const endBytes = Math.min(offsetBytes + countBytes, sizeBytes);
  const eof = endBytes >= sizeBytes;
  if (offsetBytes >= endBytes) return { bytes: Buffer.alloc(0), eof: offsetBytes >= sizeBytes };
  const bytes = Buffer.allocUnsafe(endBytes - offsetBytes);
  const pending: Promise<void>[] = [];
  for (let at = offsetBytes; at < endBytes; ) {
    const location = inode.pages.get(Math.floor(at / PAGE_BYTES));
    const runEnd = endOfRun(inode, at, endBytes, location);
    const into = bytes.subarray(at - offsetBytes, runEnd - offsetBytes);
    const done = fill(inode, location, at, into, segments, base);
    if (done !== undefined) pending.push(done);
    at = runEnd;
  }
  if (pending.length === 0) return { bytes, eof };
  return Promise.all(pending).then(() => ({ bytes, eof }));
}

/** Where the bytes end that come from the same place as those at `at`: one record, the image, or zeros. */
function endOfRun(inode: FileContent, at: number, endBytes: number, location: number): number {
  let page = Math.floor(at / PAGE_BYTES) + 1;
  let expected = location;
  while (page * PAGE_BYTES < endBytes) {
    if (location > ZERO) expected += 1;
    if (inode.pages.get(page) !== expected || (location > ZERO && recordOf(expected) !== recordOf(location)))
      break;
    page += 1;
  }
  return Math.min(page * PAGE_BYTES, endBytes);
}

function fill(
  inode: FileContent,
  location: number,
  at: number,
  into: Buffer,
  segments: Segments,
  base: BaseReader,
): Promise<void> | undefined {
  if (location > ZERO) return fillFromRecord(location, at % PAGE_BYTES, into, segments);
  const baseBytes =
    location === ABSENT ? Math.max(0, Math.min((inode.base?.sizeBytes ?? 0) - at, into.byteLength)) : 0;
  into.fill(0, baseBytes);
  if (baseBytes === 0 || inode.base === undefined) return undefined;
  return base(inode.base.diskName, at, into.subarray(0, baseBytes));
}

function fillFromRecord(
  location: number,
  offsetInPage: number,
  into: Buffer,
  segments: Segments,
): Promise<void> | undefined {
  const from = pageIndexOf(location) * PAGE_BYTES + offsetInPage;
  const cached = segments.cached(location);
  if (cached !== undefined) {
    cached.copy(into, 0, from);
    return undefined;
  }
  return segments.read(location).then((pages) => {
    pages.copy(into, 0, from);
  });
}
