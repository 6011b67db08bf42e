// A session that Temporal has forgotten, as if its database were lost, is removed from what gateway and target know:
// Temporal takes its time to delete a Workflow. And one of a drill that was terminated with it, with its network;
// and a restore that stands still in the middle of its copy, whose files in production are a person's to settle.
import { beforeAll, expect, test } from 'vitest';
import { drillSessionId, drillWorkflowId, type SessionStatus } from '../../contract/index.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { until } from '../../demo/until.ts';
import { beginDrill, expectNothingLeft, untilVmRuns } from '../e2e/drills.ts';
import { prepareVm, VM } from '../e2e/killed-worker.ts';
import { restoreFlags } from '../e2e/restores.ts';
import { errorOf, inTemporal, orphansOf, terminate, terminatedStart } from '../e2e/terminated.ts';
import { withHouse } from '../e2e/with-house.ts';

const FORGET_LIMIT_MS = 300_000;
const COPY_LIMIT_MS = 60_000;
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

test('of a drill that is terminated with its session, the network goes with the session', async () => {
  const { house } = suite;
  const { worker } = house.stack.site;
  const drillId = await beginDrill(house, [VM], '--guest-timeout', '10m');
  await untilVmRuns(house, drillId);
  // Nobody is there to hear of the first and undo the second.
  await worker.kill('SIGKILL');
  const sessionId = drillSessionId(drillId, 1);
  await terminate(house, drillWorkflowId(drillId));
  await terminate(house, sessionId);
  await worker.start();
  await house.succeed(['clean-up', sessionId, '--power-off']);
  await expectNothingLeft(house);
});

test('of a restore that is paused in the middle of its copy, all goes but what is in production', async () => {
  const { house } = suite;
  const begun = await house.succeed(restoreFlags(house, '--throttle', '1MiB/s', '--detach'));
  const sessionId = begun['sessionId'] as string;
  await until('the copy', COPY_LIMIT_MS, async () => {
    const now: SessionStatus | undefined = await house.showNow(sessionId);
    return now?.step === 'copyRestoreDisk' ? true : undefined;
  });
  await house.succeed(['pause', sessionId]);
  await terminate(house, sessionId);
  expect(await errorOf(house, ['clean-up', sessionId])).toMatchObject({ type: 'NotSettled' });
  await house.succeed(['clean-up', sessionId, '--settled']);
  expect(await leftovers(house.stack, sessionId)).toEqual([]);
});
