// An export to look for files in: open until it is closed or cancelled, gone afterwards, and gone where it never opened.
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BrowseMessage, type BrowseStatus, WorkflowType } from '../contract/index.ts';
import { FakeWorld } from '../test/fake-world.ts';
import { failureOf, openSessionHarness, type SessionHarness } from '../test/session-harness.ts';
import { eventually } from '../test/temporal.ts';
import { browseInput } from '../test/workflow-inputs.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

it('is open until it is closed', async () => {
  const world = new FakeWorld();
  const input = browseInput();
  const run = async ({ handle }: Parameters<Parameters<typeof harness.withSession>[2]>[0]) => {
    const opened = await handle.executeUpdate<BrowseStatus, []>(BrowseMessage.opened);
    expect(opened).toMatchObject({ state: 'open', exported: { jobId: 'job-2' } });
    expect(world.leftovers).toEqual([`export ${input.browseId}`]);
    expect(await handle.executeUpdate(BrowseMessage.close)).toEqual({
      browseId: input.browseId,
      state: 'closed',
    });
    expect(await handle.result()).toMatchObject({ state: 'closed' });
  };
  await harness.withSession(input, world, run, WorkflowType.browse);
  expect(world.leftovers).toEqual([]);
});

it('is closed by a cancel', async () => {
  const world = new FakeWorld();
  const ended = harness.withSession(
    browseInput(),
    world,
    async ({ handle }) => {
      await handle.executeUpdate(BrowseMessage.opened);
      await handle.cancel();
      await handle.result();
    },
    WorkflowType.browse,
  );
  const failure = await ended.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  expect(world.leftovers).toEqual([]);
});

it.each(['close', 'cancel'] as const)(
  'that is ended by a %s before it is open says so to who waits for it',
  async (how) => {
    const world = new FakeWorld();
    world.faults.set('openBrowse', 'hang');
    const run = async ({ handle }: Parameters<Parameters<typeof harness.withSession>[2]>[0]) => {
      const opened = failureOf(handle.executeUpdate(BrowseMessage.opened));
      await eventually('that it opens', () => (world.calls.includes('openBrowse') ? true : undefined));
      if (how === 'close') await handle.executeUpdate(BrowseMessage.close);
      else await handle.cancel();
      expect(await opened).toMatchObject({ type: 'NotRunning' });
      await handle.result().catch(() => undefined);
    };
    await harness.withSession(browseInput(), world, run, WorkflowType.browse);
    expect(world.leftovers).toEqual([]);
  },
);

it.each(['before', 'after'] as const)(
  'that fails to open (%s it acted) says why, and leaves nothing',
  async (fault) => {
    const world = new FakeWorld();
    world.faults.set('openBrowse', fault);
    const ended = harness.withSession(
      browseInput(),
      world,
      async ({ handle }) => {
        await expect(handle.executeUpdate(BrowseMessage.opened)).rejects.toMatchObject({
          cause: { message: 'openBrowse was told to fail' },
        });
        await handle.result();
      },
      WorkflowType.browse,
    );
    await expect(ended).rejects.toMatchObject({ cause: { message: 'openBrowse was told to fail' } });
    expect(world.leftovers).toEqual([]);
  },
);
