// Room for a session's changes that is raised while it runs: as the gateway says, and refused in words wherever there is
// nothing to make room for.
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type MakeRoomRequest,
  type MakeRoomResult,
  SessionMessage,
  type StartInput,
} from '../contract/index.ts';
import { FakeWorld } from '../test/fake-world.ts';
import {
  failureOf,
  openSessionHarness,
  type SessionHarness,
  startInput,
  type TestSession,
} from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';

const GIB = 1024 ** 3;

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const makeRoom = ({ handle }: TestSession, bytes: number): Promise<MakeRoomResult> =>
  handle.executeUpdate<MakeRoomResult, [MakeRoomRequest]>(SessionMessage.makeRoom, { args: [{ bytes }] });

async function withStarted(
  world: FakeWorld,
  changes: Partial<StartInput>,
  body: (session: TestSession, sessionId: string) => Promise<void>,
): Promise<void> {
  const input = startInput(changes);
  await harness.withSession(input, world, (session) => body(session, input.sessionId));
  expect(world.leftovers).toEqual([]);
}

it('is kept by the gateway, told in the log, and is no business of a session that has ended', async () => {
  await withStarted(new FakeWorld(), {}, async (session, sessionId) => {
    await session.untilState('running');
    expect(await makeRoom(session, GIB)).toEqual({ sessionId, reservedBytes: GIB, usedBytes: 0 });
    const { log } = await session.status();
    expect(log.at(-1)?.message).toBe("The gateway keeps 1 GiB for the session's changes, which take 0 B");
    for (const bytes of [0, -1, 1.5, 2 ** 52]) {
      expect(await failureOf(makeRoom(session, bytes))).toMatchObject({ type: 'InvalidInput' });
    }
    await session.stop();
    expect(await failureOf(makeRoom(session, GIB))).toBeInstanceOf(Error);
  });
});

it('tells what the gateway has against it, and the session runs on', async () => {
  const world = new FakeWorld();
  world.faults.set('makeRoom', 'before');
  await withStarted(world, {}, async (session) => {
    await session.untilState('running');
    expect(await failureOf(makeRoom(session, GIB))).toBeInstanceOf(Error);
    world.faults.delete('makeRoom');
    expect(await makeRoom(session, GIB)).toMatchObject({ reservedBytes: GIB });
    await session.stop();
  });
});

it('is made while the session is finalized, too', async () => {
  const world = new FakeWorld();
  world.migrationEnds = false;
  await withStarted(world, {}, async (session) => {
    await session.untilState('running');
    const finalized = session.finalize().catch(() => undefined);
    await eventually('the migration', () => world.migrating);
    expect(await makeRoom(session, GIB)).toMatchObject({ reservedBytes: GIB });
    await session.cancelFinalize();
    await finalized;
    await session.stop();
  });
});

it('is none at the gateway for changes that go to a datastore, and for a session that starts', async () => {
  await withStarted(new FakeWorld(), { changes: { datastore: 'vmfs02' } }, async (session) => {
    await session.untilState('running');
    expect(await failureOf(makeRoom(session, GIB))).toMatchObject({
      type: 'NotSupported',
      message: expect.stringContaining('on datastore vmfs02') as string,
    });
    await session.stop();
  });
  const world = new FakeWorld();
  world.faults.set('mount', 'hang');
  await withStarted(world, {}, async (session) => {
    await eventually('mount', () => (world.calls.includes('mount') ? true : undefined));
    expect(await failureOf(makeRoom(session, GIB))).toMatchObject({ type: 'NotRunning' });
    await session.stop();
  });
});
