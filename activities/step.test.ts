// What a step tells reaches the run that it belongs to, and no other: it acts on for a while after its run was
// terminated, and another may have begun under the same id.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WORKFLOW_TASK_QUEUE, WorkflowType } from '../contract/index.ts';
import { FakeWorld } from '../test/fake-world.ts';
import {
  openSessionHarness,
  type SessionHarness,
  startInput,
  type TestSession,
} from '../test/session-harness.ts';
import { runStep } from './step.ts';

let harness: SessionHarness;
beforeAll(async () => {
  harness = await openSessionHarness();
});
afterAll(() => harness.close());

const messages = async (session: TestSession): Promise<string[]> =>
  (await session.status()).log.map(({ message }) => message);

it('a step of a run that was terminated tells its successor nothing', async () => {
  const [world, input] = [new FakeWorld(), startInput()];
  const begun = Promise.withResolvers<undefined>();
  const succeeded = Promise.withResolvers<undefined>();
  const told: string[] = [];
  const preflight: typeof world.activities.preflight = async (asked) => {
    if (told.length > 0) return world.activities.preflight(asked);
    return runStep(async (step) => {
      const report = async (message: string): Promise<void> => {
        await step.report({ kind: 'note', level: 'info', message });
        told.push(message);
      };
      await report('early');
      begun.resolve(undefined);
      await succeeded.promise;
      await report('late').catch((error: unknown) => told.push((error as Error).constructor.name));
      return await world.activities.preflight(asked);
    });
  };
  await harness.withSession(input, { activities: { ...world.activities, preflight } }, async (first) => {
    await begun.promise;
    expect(await messages(first)).toContain('early');
    await first.handle.terminate();
    await harness.temporal.client.workflow.start(WorkflowType.runDirect, {
      ...{ workflowId: input.sessionId, taskQueue: WORKFLOW_TASK_QUEUE, args: [input] },
    });
    await first.untilState('running');
    succeeded.resolve(undefined);
    await expect.poll(() => told, { timeout: 10_000 }).toEqual(['early', 'WorkflowNotFoundError']);
    expect(await messages(first)).not.toContain('late');
    await first.stop();
  });
});
