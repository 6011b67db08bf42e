// Bytes as a person reads them.
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `1.5 GiB`, `64 MiB`, `320 B`: one digit after the point, where it is not 0. */
export function bytesText(bytes: number): string {
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  return `${(bytes / 1024 ** unit).toFixed(1).replace(/\.0$/, '')} ${UNITS[unit] ?? 'B'}`;
}
