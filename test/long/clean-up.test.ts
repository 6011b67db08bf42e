// A session that Temporal has forgotten, as if its database were lost, is removed from what gateway and target know.
// Temporal takes its time to delete a Workflow.
import { beforeAll, expect, test } from 'vitest';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { prepareVm } from '../e2e/killed-worker.ts';
import { errorOf, inTemporal, orphansOf, terminatedStart } from '../e2e/terminated.ts';
import { withHouse } from '../e2e/with-house.ts';

const FORGET_LIMIT_MS = 300_000;
const suite = withHouse({ model: 'esx' });

beforeAll(() => prepareVm(suite.house));

async function forget(workflowId: string): Promise<void> {
  await inTemporal(suite.house, async ({ workflow, workflowService, options: { namespace } }) => {
    await workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId } });
    const isKnown = (): Promise<boolean> =>
      workflow
        .getHandle(workflowId)
        .describe()
        .then(
          () => true,
          () => false,
        );
    await until(`Temporal to forget ${workflowId}`, FORGET_LIMIT_MS, async () =>
      (await isKnown()) ? undefined : true,
    );
  });
}

test('it is listed as not known, needs its target, and is gone then', async () => {
  const { house } = suite;
  const sessionId = await terminatedStart(house);
  await forget(sessionId);
  expect(await orphansOf(house)).toMatchObject([{ sessionId, ended: 'unknown' }]);
  expect(await errorOf(house, ['clean-up', sessionId])).toMatchObject({ type: 'Usage' });
  await house.succeed(['clean-up', sessionId, '--power-off', ...house.targetFlags]);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});
