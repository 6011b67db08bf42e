import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecordReader } from './record-reader.ts';

const LAST_FRAGMENT = 0x8000_0000;

/** A record as a stream, its bytes cut into fragments. */
function marked(fragments: readonly Uint8Array[]): Buffer {
  const pieces = fragments.flatMap((fragment, index) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE((index === fragments.length - 1 ? LAST_FRAGMENT : 0) + fragment.length);
    return [header, Buffer.from(fragment)];
  });
  return Buffer.concat(pieces);
}

/** Cuts a stream at the given places. */
function cut(stream: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return ends.map((end, index) => stream.subarray(ends[index - 1] ?? 0, end));
}

const record = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 5 });

describe('RecordReader', () => {
  test('finds every record, however the stream and the record are cut', () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 6 }),
        fc.array(fc.nat(2000), { maxLength: 12 }),
        (records, places) => {
          const reader = new RecordReader(1000);
          const found: string[] = [];
          for (const piece of cut(Buffer.concat(records.map(marked)), places)) {
            reader.push(piece);
            for (let next = reader.next(); next !== undefined; next = reader.next())
              found.push(next.toString('hex'));
          }
          expect(found).toEqual(records.map((fragments) => Buffer.concat(fragments).toString('hex')));
        },
      ),
    );
  });

  test('keeps records that were not taken yet', () => {
    const reader = new RecordReader(1000);
    const one = marked([Buffer.from('one')]);
    reader.push(Buffer.concat([one, one, one.subarray(0, 5)]));
    expect(reader.next()?.toString()).toBe('one');
    reader.push(one.subarray(5));
    expect(reader.next()?.toString()).toBe('one');
    expect(reader.next()?.toString()).toBe('one');
    expect(reader.next()).toBeUndefined();
  });

  test('refuses a record that is too long, at its header', () => {
    const malformed = expect.objectContaining({ code: 'MessageMalformed' }) as unknown as Error;
    const single = new RecordReader(1000);
    single.push(Buffer.from('800003e9', 'hex'));
    expect(() => single.next()).toThrow(malformed);

    const sum = new RecordReader(1000);
    sum.push(
      Buffer.concat([Buffer.from('00000258', 'hex'), Buffer.alloc(600), Buffer.from('80000258', 'hex')]),
    );
    expect(() => sum.next()).toThrow(malformed);
  });

  test('refuses endless fragments', () => {
    const reader = new RecordReader(1000);
    reader.push(Buffer.alloc(4 * 1000)); // empty fragments, none the last
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'MessageMalformed' }) as unknown);
  });
});
