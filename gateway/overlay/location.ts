// Where a page is in the log, as one safe integer, because an index of millions of them is kept in Float64Arrays.
//
//   segment (23 bits) · slot in the segment (22) · pages of the record, less 1 (4) · page in the record (4)
//
// Knowing the record's length, a read fetches it with one call. 0 and 1 can't be locations (segments count from 1).
import { MAX_RECORD_PAGES, SLOT_BYTES } from './limits.ts';

/** The page was never written here: what is below shows through. */
export const ABSENT = 0;
/** The page is all zeros, and takes no space. */
export const ZERO = 1;

const SLOTS = 2 ** 22;
const MAX_SEGMENT = 2 ** 23 - 1;

/** The location of a record's first page. */
export function recordLocation(segment: number, offsetBytes: number, pages: number): number {
  if (segment < 1 || segment > MAX_SEGMENT) throw new RangeError(`segment ${segment} can't be addressed`);
  return ((segment * SLOTS + offsetBytes / SLOT_BYTES) * MAX_RECORD_PAGES + (pages - 1)) * MAX_RECORD_PAGES;
}

export const pageIndexOf = (location: number): number => location % MAX_RECORD_PAGES;
export const recordOf = (location: number): number => location - (location % MAX_RECORD_PAGES);
export const pagesOf = (location: number): number =>
  (Math.floor(location / MAX_RECORD_PAGES) % MAX_RECORD_PAGES) + 1;
export const offsetOf = (location: number): number =>
  (Math.floor(location / MAX_RECORD_PAGES ** 2) % SLOTS) * SLOT_BYTES;
export const segmentOf = (location: number): number => Math.floor(location / (MAX_RECORD_PAGES ** 2 * SLOTS));
