// A batch whose sessions run for months outgrows one history: it goes on in a new run, and nobody notices.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { batchInput, isUp, statesOf, withBatch } from '../../test/batch-harness.ts';
import { FakeWorld } from '../../test/fake-world.ts';
import { openSessionHarness, type SessionHarness } from '../../test/session-harness.ts';
import { eventually } from '../../test/temporal.ts';

vi.setConfig({ testTimeout: 120_000 });

let harness: SessionHarness;

beforeAll(async () => {
  harness = await openSessionHarness(['limit.historyCount.suggestContinueAsNew=120']);
});
afterAll(() => harness.close());

it('goes on in new runs with its status and its log, and learns the end of each session', async () => {
  const world = new FakeWorld();
  const input = batchInput(['web01', 'db01']);
  const { workflow } = harness.temporal.client;
  await withBatch(harness.temporal, input, world.activities, async (batch) => {
    const first = await batch.until('both run', isUp);
    const moref = first.vms[0]?.vm?.moref ?? '';
    let power: 'poweredOn' | 'poweredOff' = 'poweredOn';
    // Each turn of the power switch is news from a session, and adds to the history.
    await eventually(
      'a second run',
      async () => {
        power = power === 'poweredOn' ? 'poweredOff' : 'poweredOn';
        world.change(moref, { powerState: power });
        await batch.until('the new power state', ({ vms }) => vms[0]?.powerState === power);
        const { runId } = await workflow.getHandle(input.batchId).describe();
        return runId === batch.handle.firstExecutionRunId ? undefined : runId;
      },
      30_000,
    );
    expect((await batch.status()).log[0]).toEqual(first.log[0]);
    await workflow.getHandle(first.vms[0]?.sessionId ?? '').terminate('a test');
    await batch.until('the end of one', (now) => statesOf(now)[0] === 'terminated');
    expect(statesOf(await batch.stop())).toEqual(['stopped']);
    expect(statesOf(await batch.result())).toEqual(['terminated', 'stopped']);
  });
  expect(world.calls.filter((name) => name === 'preflightBatch')).toHaveLength(1);
});
