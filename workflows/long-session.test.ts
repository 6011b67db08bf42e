// A session that runs for months outgrows one history: it goes on in a new run, and nobody notices.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FakeWorld } from '../test/fake-world.ts';
import { openSessionHarness, type SessionHarness, startInput } from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';

let harness: SessionHarness;

beforeAll(async () => {
  harness = await openSessionHarness(['limit.historyCount.suggestContinueAsNew=120']);
});
afterAll(() => harness.close());

it('goes on in new runs with its status, its log and its way to be stopped', async () => {
  const world = new FakeWorld();
  const input = startInput({ verify: 'beside' });
  const moref = `vm-${input.sessionId}`;
  await harness.withSession(input, world, async (session) => {
    const first = await session.untilState('running');
    const current = harness.temporal.client.workflow.getHandle(input.sessionId);
    let power: 'poweredOn' | 'poweredOff' = 'poweredOn';
    // Each turn of the power switch adds to the history, until a new run takes over.
    await eventually('a second run', async () => {
      power = power === 'poweredOn' ? 'poweredOff' : 'poweredOn';
      world.change(moref, { powerState: power });
      await eventually('the new power state', async () =>
        (await session.status()).powerState === power ? true : undefined,
      );
      const { runId } = await current.describe();
      return runId === session.handle.firstExecutionRunId ? undefined : runId;
    });
    const later = await session.status();
    expect(later).toMatchObject({ state: 'running', status: 'OK', jobId: first.jobId });
    expect(later.timings).toMatchObject(first.timings);
    expect(later.log[0]).toEqual(first.log[0]);
    expect(world.calls.filter((name) => name === 'preflight')).toHaveLength(1);
    expect(await session.stop()).toMatchObject({ state: 'stopped' });
    expect(await session.handle.result()).toMatchObject({ state: 'stopped' });
  });
  expect(world.leftovers).toEqual([]);
});
