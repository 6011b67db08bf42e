// A session's VM takes another one's place, in a world in memory: whatever fails, is cancelled or hangs, at whatever
// step, that other VM stands as it stood, or the new one is in production and the other is where it was to be.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FinalizeRequest } from '../../contract/index.ts';
import { FakeWorld, type Fault, type StepName } from '../../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  startInput,
  type TestSession,
} from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const inPlace: Partial<FinalizeRequest> = { location: 'original', powerOffOriginal: true };
const standing = { name: 'web01', powerState: 'poweredOn' } as const;

function worldWithOriginal(): FakeWorld {
  const world = new FakeWorld();
  world.original = { ...standing };
  return world;
}

async function withRunning(
  world: FakeWorld,
  body: (session: TestSession, moref: string) => Promise<void>,
): Promise<void> {
  const input = startInput({ placement: { network: 'original', name: 'web01-new' } });
  await harness.withSession(input, world, async (session) => {
    await session.untilState('running');
    await eventually('the heartbeat', async () =>
      (await session.status()).guest === 'ready' ? true : undefined,
    );
    await body(session, `vm-${input.sessionId}`);
  });
}

const called = (world: FakeWorld, step: StepName): Promise<true> =>
  eventually(step, () => (world.calls.includes(step) ? true : undefined));

describe.concurrent("a finalize in the original's place", () => {
  it('keeps the original aside, powered off, unless it is told otherwise', async () => {
    const world = worldWithOriginal();
    await withRunning(world, async (session) => {
      const result = await session.finalize(inPlace);
      const original = { name: 'web01', state: 'setAside', standsAs: 'web01.replaced' };
      expect(result).toMatchObject({ state: 'finalized', original });
      expect((await session.status()).finalize?.original).toEqual(original);
    });
    expect(world.original).toEqual({ name: 'web01.replaced', powerState: 'poweredOff' });
    expect(world.calls).not.toContain('removeOriginal');
    expect(world.calls.indexOf('setOriginalAside')).toBeLessThan(world.calls.indexOf('migrateVm'));
  });

  it('deletes it where that was asked for, when the new one is proven and all else is done', async () => {
    const world = worldWithOriginal();
    await withRunning(world, async (session) => {
      const result = await session.finalize({ ...inPlace, removeOriginal: true });
      expect(result.original).toEqual({ name: 'web01', state: 'removed', standsAs: undefined });
    });
    expect(world.original).toBeUndefined();
    const order = ['migrateVm', 'handOverVm', 'dropExport', 'proveArrival', 'removeOriginal'] as const;
    expect(order.map((step) => world.calls.indexOf(step)).toSorted((a, b) => a - b)).toEqual(
      order.map((step) => world.calls.indexOf(step)),
    );
  });

  it('deletes it not before the new one is proven', async () => {
    const world = worldWithOriginal();
    world.proven = false;
    await withRunning(world, async (session) => {
      const result = await session.finalize({ ...inPlace, removeOriginal: true });
      expect(result.original).toMatchObject({ state: 'setAside', standsAs: 'web01.replaced' });
      const { log } = await session.status();
      expect(log.find(({ level }) => level === 'warning')?.message).toContain('not deleted, it is kept as');
    });
    expect(world.original?.name).toBe('web01.replaced');
    expect(world.calls).not.toContain('removeOriginal');
  });

  it('says when it could not be deleted, and is finalized all the same', async () => {
    const world = worldWithOriginal();
    world.faults.set('removeOriginal', 'before');
    await withRunning(world, async (session) => {
      const result = await session.finalize({ ...inPlace, removeOriginal: true });
      expect(result).toMatchObject({ state: 'finalized', original: { state: 'setAside' } });
    });
  });

  it.each<[StepName, Fault]>([
    ['setOriginalAside', 'before'],
    ['setOriginalAside', 'after'],
    ['clearFolders', 'before'],
    ['clearFolders', 'after'],
    ['migrateVm', 'before'],
  ])('gives it back when %s fails, %s its act', async (step, fault) => {
    const world = worldWithOriginal();
    world.faults.set(step, fault);
    await withRunning(world, async (session, moref) => {
      expect(await failureOf(session.finalize({ ...inPlace, overwrite: true }))).toMatchObject({
        type: 'NotSupported',
      });
      expect(world.original).toEqual(standing);
      expect(world.vms.get(moref)).toMatchObject({ standing: 'ours', powerState: 'poweredOn' });
      const { state, finalize } = await session.status();
      expect([state, finalize?.outcome, finalize?.original?.state]).toEqual([
        'running',
        'failed',
        'givenBack',
      ]);
      await session.stop();
    });
  });

  it.each<StepName>(['setOriginalAside', 'migrateVm'])(
    'gives it back when it is cancelled in %s',
    async (step) => {
      const world = worldWithOriginal();
      world.migrationEnds = false;
      if (step !== 'migrateVm') world.faults.set(step, 'hang');
      await withRunning(world, async (session, moref) => {
        const finalized = failureOf(session.finalize(inPlace));
        await called(world, step);
        expect(await session.cancelFinalize()).toMatchObject({ state: 'running' });
        expect(await finalized).toMatchObject({ type: 'FinalizeCancelled' });
        expect(world.original).toEqual(standing);
        expect(world.vms.get(moref)).toMatchObject({ standing: 'ours', powerState: 'poweredOn' });
        await session.stop();
      });
    },
  );

  it('leaves it aside when the migration had come to its end all the same', async () => {
    const world = worldWithOriginal();
    world.faults.set('migrateVm', 'after');
    await withRunning(world, async (session) => {
      expect(await session.finalize(inPlace)).toMatchObject({ original: { state: 'setAside' } });
    });
    expect(world.calls).not.toContain('restoreOriginal');
  });

  it('says so when it can not be given back, and the session runs on', async () => {
    const world = worldWithOriginal();
    world.faults.set('migrateVm', 'before');
    world.faults.set('restoreOriginal', 'before');
    await withRunning(world, async (session) => {
      await failureOf(session.finalize(inPlace));
      const { state, log, finalize } = await session.status();
      expect([state, finalize?.original?.state]).toEqual(['running', 'setAside']);
      expect(log.map(({ message }) => message).join('\n')).toContain(
        'web01 is not given back: restoreOriginal was told to fail. It may be off, and called web01.replaced',
      );
      await session.stop();
    });
  });

  it('waits for a target that is away before it gives up giving it back', async () => {
    const world = worldWithOriginal();
    world.faults.set('migrateVm', 'before');
    world.faults.set('restoreOriginal', 'passing');
    await withRunning(world, async (session) => {
      await failureOf(session.finalize(inPlace));
      expect(world.original).toEqual(standing);
      await session.stop();
    });
  });
});
