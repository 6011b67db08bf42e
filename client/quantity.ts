// Sizes, durations and times: as people read them, and as they type them.

export { formatBytes } from '../contract/index.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** Milliseconds, with the precision that the length deserves: `850 ms`, `3.2 s`, `2 min 05 s`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  // Rounded first, so that 59.96 s does not read "60.0 s".
  if (Math.round(ms / 100) * 100 < MINUTE_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  const seconds = Math.round(ms / SECOND_MS) * SECOND_MS;
  if (seconds < HOUR_MS) {
    return `${Math.floor(seconds / MINUTE_MS)} min ${twoDigits((seconds % MINUTE_MS) / SECOND_MS)} s`;
  }
  if (seconds < DAY_MS) {
    return `${Math.floor(seconds / HOUR_MS)} h ${twoDigits(Math.floor((seconds % HOUR_MS) / MINUTE_MS))} min`;
  }
  return `${Math.floor(seconds / DAY_MS)} d ${Math.floor((seconds % DAY_MS) / HOUR_MS)} h`;
}

const DURATION = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?$/;

/** `90s`, `5m`, `1h30m`, `500ms` or `0`, in milliseconds; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = DURATION.exec(text);
  if (match === null || text === '') return undefined;
  const [days, hours, minutes, seconds, ms] = match
    .slice(1)
    .map((part: string | undefined) => Number(part ?? 0));
  const total =
    (days ?? 0) * DAY_MS +
    (hours ?? 0) * HOUR_MS +
    (minutes ?? 0) * MINUTE_MS +
    (seconds ?? 0) * SECOND_MS +
    (ms ?? 0);
  return Number.isSafeInteger(Math.round(total)) ? Math.round(total) : undefined;
}

const SIZE = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB|TiB)$/i;
const BYTES_OF: Readonly<Record<string, number>> = {
  ...{ kib: 1024, mib: 1024 ** 2 },
  ...{ gib: 1024 ** 3, tib: 1024 ** 4 },
};

/** `20GiB` or `1.5TiB`, in bytes; undefined where it is none. */
export function parseSize(text: string): number | undefined {
  const [, value = '', unit = ''] = SIZE.exec(text) ?? [];
  const bytes = BYTES_OF[unit.toLowerCase()];
  return bytes === undefined ? undefined : Math.round(Number(value) * bytes);
}

/** `50MiB/s` or `1.5GiB`, in bytes a second; undefined where it is none. */
export const parseRate = (text: string): number | undefined => parseSize(text.replace(/\/s$/, ''));

/** A point in time in the reader's own time zone: `2026-11-23 02:51`. */
export function formatTime(time: Date): string {
  const date = [time.getFullYear(), twoDigits(time.getMonth() + 1), twoDigits(time.getDate())].join('-');
  return `${date} ${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}`;
}

/** The time of day, for a line of a log: `02:51:07`. */
export function formatClock(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(':');
}
