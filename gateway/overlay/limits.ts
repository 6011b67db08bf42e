// Every number that bounds an overlay, in one place, with what it buys.
// The unit of everything is the page: ESXi writes in 4 KiB, and NFS's block size is 4096 too.

export const PAGE_BYTES = 4096;

/** Pages of one sealed record: 64 KiB, NFS's usual write. A read authenticates the whole record it hits. */
export const MAX_RECORD_PAGES = 16;

/** Records start at multiples of this, so that a location fits a safe integer and a damaged tail can be searched. */
export const SLOT_BYTES = 64;

/** A log file ends near this size. 2^22 slots: see location.ts before changing it. */
export const MAX_SEGMENT_BYTES = 256 * 1024 * 1024;

/** Most bytes that one fdatasync covers; also what a torn tail can measure. */
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** Most payload of one record that changes names; the tail of a batch must hold it. */
export const MAX_NAMES_BYTES = 1024 * 1024;

/** Writers wait when this much is queued for the log. */
export const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** Opened records that stay in memory for the reads that follow. */
export const RECORD_CACHE_BYTES = 8 * 1024 * 1024;

/** Log files that are kept open for reading at once. */
export const MAX_OPEN_SEGMENTS = 64;

/** A checkpoint is due after this much log, or four times its own size, whichever is more. */
export const CHECKPOINT_LOG_BYTES = 256 * 1024 * 1024;
export const CHECKPOINT_LOG_FACTOR = 4;

/** After one that could not be written, on a full disk for one, so much log comes before the next try. */
export const CHECKPOINT_RETRY_LOG_BYTES = 16 * 1024 * 1024;

/** Garbage below this is left alone. */
export const MIN_COMPACTION_BYTES = 64 * 1024 * 1024;

/** Records that a compaction moves between two looks at the queue. */
export const COMPACTION_BATCH_RECORDS = 32;

/** What a compaction moves before it removes the files that it came from. */
export const COMPACTION_ROUND_BYTES = 512 * 1024 * 1024;

/** RFC 1813 leaves names unbounded; every file system that ESXi knows stops here. In bytes of UTF-8. */
export const MAX_NAME_BYTES = 255;

/** Files and directories of one overlay: a VM's folder has dozens. */
export const MAX_INODES = 100_000;

/** What a file may grow to; ESXi's largest disk is 62 TB. */
export const MAX_FILE_BYTES = 64 * 1024 ** 4;
