/** Milliseconds as a person reads them, in seconds. */
export const formatMs = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

const MIB = 1024 * 1024;
/** Bytes as a person reads them, in MiB. */
export const formatMib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
