import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, parseDuration, parseRate } from './quantity.ts';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [120 * 1024 ** 3, '120 GiB'],
    [4 * 1024 ** 4, '4 TiB'],
    [5000 * 1024 ** 5, '5000 PiB'],
  ])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe('parseRate', () => {
  it.each([
    ['50MiB/s', 50 * 1024 ** 2],
    ['64kib', 64 * 1024],
    ['1.5GiB/s', 1.5 * 1024 ** 3],
  ])('%s is %d', (text, bytes) => expect(parseRate(text)).toBe(bytes));

  it.each(['', '50', '50MB/s', 'MiB', '-1MiB', '1 MiB', '1MiB/m', 'none'])('%j is none', (text) =>
    expect(parseRate(text)).toBeUndefined(),
  );
});

describe('formatDuration', () => {
  it.each([
    [0, '0 ms'],
    [850, '850 ms'],
    [3_240, '3.2 s'],
    [59_940, '59.9 s'],
    [59_960, '1 min 00 s'],
    [125_000, '2 min 05 s'],
    [3_599_900, '1 h 00 min'],
    [3_720_000, '1 h 02 min'],
    [100 * 3_600_000, '4 d 4 h'],
  ])('%d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
});

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['500ms', 500],
    ['1.5s', 1_500],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', ' ', '5', '-5m', '5 m', 'm', 'soon', '1m1h', `${'9'.repeat(30)}d`])('%j is none', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('reads back every whole number of each unit', () => {
    const parts = fc.record({ h: fc.nat(99), m: fc.nat(59), s: fc.nat(59), ms: fc.nat(999) });
    fc.assert(
      fc.property(parts, ({ h, m, s, ms }) => {
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1000 + ms);
      }),
    );
  });
});
