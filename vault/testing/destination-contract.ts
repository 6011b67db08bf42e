// What every destination must do, whatever it is made of. An implementation's test calls it with a way to make
// an empty one, and one to look at what is really there, unfinished writes included.
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Destination } from '../ports.ts';

export interface DestinationUnderTest {
  readonly destination: Destination;
  /** Number of objects or files that exist in any form. */
  readonly countEverything: () => Promise<number>;
}

export function destinationContract(make: () => Promise<DestinationUnderTest>): void {
  const text = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? undefined : Buffer.from(bytes).toString();
  const names = async (destination: Destination, prefix: string) => {
    const found: [string, number][] = [];
    for await (const { name, sizeBytes } of destination.list(prefix)) found.push([name, sizeBytes]);
    return found.sort();
  };

  it('answers that an object is absent', async () => {
    const { destination } = await make();
    expect(await destination.get('a/b', 10)).toBeUndefined();
    expect(await destination.open('a/b')).toBeUndefined();
    expect(await names(destination, 'a/')).toEqual([]);
    await destination.remove('a/b');
    await destination.removeLeftovers('a/');
  });

  it('keeps what was put, and replaces it whole', async () => {
    const { destination, countEverything } = await make();
    expect(await destination.put('a/b/c.json', Buffer.from('one'))).toBe('written');
    expect(await destination.put('a/b/c.json', Buffer.from('second'))).toBe('written');
    expect(text(await destination.get('a/b/c.json', 6))).toBe('second');
    expect(await countEverything()).toBe(1);
    await destination.remove('a/b/c.json');
    expect(await destination.get('a/b/c.json', 6)).toBeUndefined();
  });

  it('refuses to read more than it was asked to', async () => {
    const { destination } = await make();
    await destination.put('big', Buffer.alloc(11));
    await expect(destination.get('big', 10)).rejects.toMatchObject({ code: 'FormatUnsupported' });
  });

  it('lets one of many who put the same name if absent win', async () => {
    const { destination, countEverything } = await make();
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => destination.put('lock', Buffer.from(`${i}`), { ifAbsent: true })),
    );
    expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
    expect(text(await destination.get('lock', 10))).toBe(String(outcomes.indexOf('written')));
    expect(await countEverything()).toBe(1);
  });

  it('shows a large object only when it is committed', async () => {
    const { destination } = await make();
    const parts = [randomBytes(100_000), randomBytes(1), randomBytes(300_000)];
    const writer = await destination.create('x/large');
    const reused = Buffer.alloc(300_000);
    for (const part of parts) {
      part.copy(reused);
      await writer.append(reused.subarray(0, part.byteLength));
      expect(await destination.open('x/large')).toBeUndefined();
      expect(await names(destination, '')).toEqual([]);
    }
    await writer.commit();
    await writer.abort();
    expect(await names(destination, 'x/')).toEqual([['x/large', 400_001]]);
    const whole = Buffer.concat(parts);
    const reader = await destination.open('x/large');
    expect(reader?.sizeBytes).toBe(400_001);
    expect(await reader?.read(99_990, 20)).toEqual(whole.subarray(99_990, 100_010));
    expect(await reader?.read(400_000, 100)).toEqual(whole.subarray(400_000));
    expect((await reader?.read(500_000, 100))?.byteLength).toBe(0);
    const reads = await Promise.all(
      [0, 1, 2, 3].map(async (i) => (await reader?.read(i * 1000, 1000)) ?? Buffer.alloc(0)),
    );
    expect(Buffer.concat(reads)).toEqual(whole.subarray(0, 4000));
    await reader?.close();
  });

  it('leaves nothing of a write that was given up', async () => {
    const { destination, countEverything } = await make();
    const writer = await destination.create('x/large');
    await writer.append(randomBytes(100));
    await writer.abort();
    await writer.abort();
    expect(await destination.open('x/large')).toBeUndefined();
    expect(await countEverything()).toBe(0);
  });

  it('removes what writers that died left, and nothing else', async () => {
    const { destination, countEverything } = await make();
    await destination.put('x/kept', Buffer.from('kept'));
    const dead = await destination.create('x/y/large');
    await dead.append(randomBytes(100));
    expect(await names(destination, '')).toEqual([['x/kept', 4]]);
    await destination.removeLeftovers('x/');
    expect(await countEverything()).toBe(1);
    await dead.abort();
  });

  it.each(['', '/a', 'a//b', '../a', 'a/../b', '.hidden', 'a/.b', 'a\0b'])(
    'refuses the name %j',
    async (name) => {
      const { destination } = await make();
      await expect(destination.put(name, Buffer.alloc(1))).rejects.toMatchObject({ code: 'InvalidInput' });
      await expect(destination.get(name, 1)).rejects.toMatchObject({ code: 'InvalidInput' });
    },
  );
}
