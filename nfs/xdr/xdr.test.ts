import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { XdrReader } from './reader.ts';
import { encodeBytes, XdrWriter } from './writer.ts';

type Item =
  | { readonly type: 'uint32'; readonly value: number }
  | { readonly type: 'uint64'; readonly value: number }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'opaque'; readonly value: Uint8Array }
  | { readonly type: 'fixedOpaque'; readonly value: Uint8Array }
  | { readonly type: 'opaqueReference'; readonly value: Uint8Array };

const bytes = fc.uint8Array({ maxLength: 5000 });
const item: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ type: fc.constant('uint32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ type: fc.constant('uint64' as const), value: fc.maxSafeNat() }),
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({
    type: fc.constantFrom('opaque' as const, 'fixedOpaque' as const, 'opaqueReference' as const),
    value: bytes,
  }),
);

function write(writer: XdrWriter, entry: Item): void {
  if (entry.type === 'boolean') writer.boolean(entry.value);
  else if (entry.type === 'uint32' || entry.type === 'uint64') writer[entry.type](entry.value);
  else writer[entry.type](entry.value);
}

function read(reader: XdrReader, entry: Item): unknown {
  if (entry.type === 'boolean') return reader.boolean();
  if (entry.type === 'uint32' || entry.type === 'uint64') return reader[entry.type]();
  const value = entry.type === 'fixedOpaque' ? reader.fixedOpaque(entry.value.length) : reader.opaque(5000);
  return Uint8Array.from(value);
}

describe('XDR', () => {
  test('reads what it wrote, across slabs, references and chunks', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 20 }), fc.constantFrom(16, 1024, 65536), (items, slabBytes) => {
        const writer = new XdrWriter(slabBytes);
        for (const entry of items) write(writer, entry);
        const { length } = writer;
        const message = Buffer.concat(writer.take());
        expect(message.length).toBe(length);
        expect(message.length % 4).toBe(0);
        const reader = new XdrReader(message);
        for (const entry of items) expect(read(reader, entry)).toEqual(entry.value);
        expect(reader.rest()).toHaveLength(0);
      }),
    );
  });

  test('matches the bytes of RFC 4506', () => {
    const message = encodeBytes((writer) => {
      writer.uint32(259);
      writer.uint64(2 ** 32 + 7);
      writer.boolean(true);
      writer.string('sillyprog');
    });
    expect(message.toString('hex')).toBe(`000001030000000100000007000000010000000973696c6c7970726f67000000`);
  });

  test('takes nothing twice, and forgets what is rolled back', () => {
    const writer = new XdrWriter(32);
    writer.uint32(1);
    const mark = writer.mark();
    for (let word = 0; word < 100; word += 1) writer.uint32(word);
    writer.opaqueReference(Buffer.alloc(3000));
    writer.rollback(mark);
    writer.uint32(2);
    expect(Buffer.concat(writer.take()).toString('hex')).toBe('0000000100000002');
    expect(writer.take()).toEqual([]);
  });

  test('leaves chunks alone that were taken', () => {
    const writer = new XdrWriter(32);
    writer.uint32(1);
    const taken = writer.take();
    for (let word = 0; word < 100; word += 1) writer.uint32(0xffff_ffff);
    expect(Buffer.concat(taken).toString('hex')).toBe('00000001');
  });

  test('refuses what is cut short, too long or no boolean', () => {
    const malformed = expect.objectContaining({ code: 'MessageMalformed' }) as unknown;
    const reading = (hex: string, run: (reader: XdrReader) => unknown) => () =>
      run(new XdrReader(Buffer.from(hex, 'hex')));
    expect(reading('000001', (reader) => reader.uint32())).toThrow(malformed);
    expect(reading('00000001', (reader) => reader.uint64())).toThrow(malformed);
    expect(reading('00000005aabbccdd', (reader) => reader.opaque(100))).toThrow(malformed);
    expect(reading('00000005aabbccddee', (reader) => reader.opaque(100))).toThrow(malformed);
    expect(reading('ffffffff', (reader) => reader.opaque(0xffff_ffff))).toThrow(malformed);
    expect(reading('00000005aabbccddee000000', (reader) => reader.opaque(4))).toThrow(malformed);
    expect(reading('00000002', (reader) => reader.boolean())).toThrow(malformed);
  });

  test('reads a uint64 beyond 2^53 - 1 as Infinity', () => {
    const reader = new XdrReader(Buffer.from('001fffffffffffff0020000000000000ffffffffffffffff', 'hex'));
    expect([reader.uint64(), reader.uint64(), reader.uint64()]).toEqual([2 ** 53 - 1, Infinity, Infinity]);
  });
});
