// The bucket, by a clock of its own: what it lets through in a time, what waits, and what is sent away.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Nfs3Status } from '../nfs/index.ts';
import { HeldReads, ReadLimit } from './read-limit.ts';

const MIB = 1024 * 1024;
const comeAgain = { status: Nfs3Status.JUKEBOX };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Reads as a host does: `depth` READs of `bytes` under way, each asked for again when it is told to come again. */
function reader(limit: ReadLimit, bytes: number, depth: number) {
  let readBytes = 0;
  let isOver = false;
  const one = async (): Promise<void> => {
    while (!isOver) {
      try {
        await limit.turn(bytes);
        readBytes += bytes;
        // The disk under it has no speed of its own.
        await new Promise((resolve) => setTimeout(resolve, 1));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  for (let each = 0; each < depth; each++) void one();
  return {
    read: () => readBytes,
    end: () => {
      isOver = true;
    },
  };
}

describe('a read limit', () => {
  it('is none at first: a READ has its turn at once', () => {
    const limit = new ReadLimit(new HeldReads());
    expect(limit.bytesPerSecond).toBeUndefined();
    expect(limit.turn(64 * MIB)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['small READs', 64 * 1024, 4, 10 * MIB],
    ['READs that are larger than what is saved up', MIB, 4, MIB],
    ['more READs than may wait', 256 * 1024, 40, 20 * MIB],
    ['one READ at a time', MIB, 1, 5 * MIB],
  ])('lets through what it says, with %s', async (_, bytes, depth, bytesPerSecond) => {
    const limit = new ReadLimit(new HeldReads(), { bytesPerSecond });
    const host = reader(limit, bytes, depth);
    await vi.advanceTimersByTimeAsync(20_000);
    const share = host.read() / (20 * bytesPerSecond);
    expect(share).toBeGreaterThan(0.95);
    expect(share).toBeLessThan(1.06);
    host.end();
  });

  it('saves up little: after a rest the next second is hardly faster', async () => {
    const limit = new ReadLimit(new HeldReads(), { bytesPerSecond: 8 * MIB });
    await vi.advanceTimersByTimeAsync(60_000);
    const host = reader(limit, 64 * 1024, 8);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(host.read() / (8 * MIB)).toBeLessThan(1.3);
    host.end();
  });

  it('takes a change for those that wait, too, and a lift lets all of them in', async () => {
    const limit = new ReadLimit(new HeldReads(), { bytesPerSecond: 0 });
    const waiting = [limit.turn(MIB), limit.turn(MIB), limit.turn(MIB)];
    const seen: number[] = [];
    waiting.forEach((turn, index) => void turn?.then(() => seen.push(index)));
    await vi.advanceTimersByTimeAsync(500);
    expect(seen).toEqual([]);
    limit.set(4 * MIB);
    await vi.advanceTimersByTimeAsync(200);
    expect(seen).toEqual([0]);
    limit.set(undefined);
    for (const turn of waiting) await turn;
    expect(seen).toEqual([0, 1, 2]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('holds a READ for two seconds, and then has it come again', async () => {
    const limit = new ReadLimit(new HeldReads(), { bytesPerSecond: 0 });
    const sentAway = expect(limit.turn(4096)).rejects.toMatchObject(comeAgain);
    const settled = vi.fn();
    void sentAway.then(settled);
    await vi.advanceTimersByTimeAsync(1_990);
    expect(settled).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(20);
    await sentAway;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is broken by whoever runs from the disk, which is told once', async () => {
    const onBroken = vi.fn();
    const limit = new ReadLimit(new HeldReads(), { bytesPerSecond: 0, onBroken });
    const waiting = limit.turn(4096);
    limit.break();
    limit.break();
    await waiting;
    expect(limit.bytesPerSecond).toBeUndefined();
    expect(onBroken).toHaveBeenCalledOnce();
  });

  it('holds few READs of an export, and few in all; those that leave make room', async () => {
    const held = new HeldReads();
    const limits = Array.from({ length: 10 }, () => new ReadLimit(held, { bytesPerSecond: 0 }));
    const outcomes: Promise<unknown>[] = [];
    const hold = (limit: ReadLimit): number => {
      for (let count = 0; ; count++) {
        try {
          outcomes.push((limit.turn(4096) ?? Promise.resolve()).catch((error: unknown) => error));
        } catch (error) {
          expect(error).toMatchObject(comeAgain);
          return count;
        }
      }
    };
    expect(limits.map(hold)).toEqual([...Array.from({ length: 8 }, () => 16), 0, 0]);
    limits[0]?.set(undefined);
    expect(limits.slice(8).map(hold)).toEqual([16, 0]);
    for (const limit of limits) limit.set(undefined);
    expect((await Promise.all(outcomes)).every((outcome) => outcome === undefined)).toBe(true);
  });
});
