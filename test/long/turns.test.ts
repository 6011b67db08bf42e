// Two batches and a single session go to one datastore at once: never more of them migrate at a time than the site's
// worker lets. Its turn is a session's through the death of the gateway and of the worker; one whose Workflow is
// terminated keeps nobody waiting.
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { DEFAULT_PARALLEL_MIGRATIONS, type SessionStatus } from '../../contract/index.ts';
import { until } from '../../demo/until.ts';
import { controlSocketPath, GatewayClient } from '../../gateway/index.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'vcenter' });
const SET = 'nightly';
const LIMIT_MS = 90_000;
const SLOW_BYTES_PER_SECOND = 256 * 1024;

beforeAll(async () => {
  for (const name of ['web01', 'db01']) {
    const vm = await suite.house.createVm(name);
    await suite.house.backup(SET, vm.folder);
    await vm.destroy();
  }
});
afterEach(() => suite.house.stack.lab.ready.setStorageRate(0));

/** VMs that are off, under names of their own. */
async function startOff(name: string, vms: readonly string[]): Promise<Record<string, unknown>> {
  const [first = '', ...more] = vms;
  const flags = ['--name', name, '--session', name.replace('{vm}-', ''), '--no-power-on'];
  const several = more.length === 0 ? [] : ['--vm', ...more];
  return suite.house.succeed([...suite.house.startFlags(SET, first), ...several, ...flags]);
}

/** When each session's migrations ran, in milliseconds, from the histories of their Workflows. */
async function migrations(
  client: Client,
  sessionIds: readonly string[],
): Promise<(readonly [number, number])[]> {
  const spans: (readonly [number, number])[] = [];
  for (const sessionId of sessionIds) {
    const { events = [] } = await client.workflow.getHandle(sessionId).fetchHistory();
    for (const event of events ?? []) {
      if (event.activityTaskScheduledEventAttributes?.activityType?.name !== 'migrateVm') continue;
      const end = events?.find((each) =>
        [each.activityTaskCompletedEventAttributes, each.activityTaskFailedEventAttributes].some(
          (attributes) => attributes?.scheduledEventId?.toString() === event.eventId?.toString(),
        ),
      );
      spans.push([msOf(event.eventTime), end === undefined ? Number.POSITIVE_INFINITY : msOf(end.eventTime)]);
    }
  }
  return spans;
}

interface Moment {
  readonly seconds?: { toNumber(): number } | null;
  readonly nanos?: number | null;
}
const msOf = (time: Moment | null | undefined): number =>
  (time?.seconds?.toNumber() ?? 0) * 1_000 + (time?.nanos ?? 0) / 1e6;

test('so many migrate at a time, of two batches and a session, whoever dies meanwhile', async () => {
  const { house } = suite;
  const { lab, site, temporal } = house.stack;
  const connection = await Connection.connect({ address: temporal.ready.address });
  const client = new Client({ connection });
  const gateway = new GatewayClient(controlSocketPath(site.stateFolder));
  const batches = ['first', 'second'];
  for (const batch of batches) await startOff(`{vm}-${batch}`, ['web01', 'db01']);
  await startOff('alone', ['web01']);
  const sessions = [...batches.flatMap((batch) => [`${batch}-1`, `${batch}-2`]), 'alone'];

  await lab.ready.setStorageRate(SLOW_BYTES_PER_SECOND);
  const datastore = lab.ready.datastores[0]?.name ?? '';
  for (const each of [...batches, 'alone']) {
    await house.succeed(['finalize', each, '--datastore', datastore, '--detach']);
  }
  const queue = async (): Promise<string[]> => (await gateway.turns()).map(({ sessionId }) => sessionId);
  const full = await until('all to stand in the queue', LIMIT_MS, async () => {
    const now = await queue();
    return now.length === sessions.length ? now : undefined;
  });
  const last = full.at(-1) ?? '';
  const waits = await until('the last one to say for whom it waits', LIMIT_MS, async () => {
    const { finalize } = await house.show(last);
    return finalize?.waitsFor;
  });
  expect(waits).toEqual(full.slice(0, -1));

  const [holder = ''] = full;
  await client.workflow.getHandle(holder).terminate('a test of what it leaves behind');
  const terminatedAtMs = Date.now();
  await site.gateway.kill('SIGKILL');
  await site.gateway.start();
  await site.worker.kill('SIGKILL');
  await site.worker.start();
  expect(new Set(await queue())).toEqual(new Set(full));
  await lab.ready.setStorageRate(0);

  const others = sessions.filter((each) => each !== holder);
  for (const each of others) {
    await until(`${each} to arrive`, LIMIT_MS, async () => {
      const { state }: SessionStatus = await house.show(each);
      return state === 'finalized' ? true : undefined;
    });
  }
  expect(await queue()).toEqual([]);
  const spans = [
    ...(await migrations(client, others)),
    // What its Workflow no longer tells: the turn was its own until somebody looked after it.
    ...(await migrations(client, [holder])).map(([from]) => [from, terminatedAtMs] as const),
  ];
  expect(spans).toHaveLength(sessions.length);
  const atOnce = spans.map(([at]) => spans.filter(([from, to]) => from <= at && at < to).length);
  expect(Math.max(...atOnce)).toBe(DEFAULT_PARALLEL_MIGRATIONS);
  console.log({ atOnce, tookMs: spans.map(([from, to]) => Math.round(to - from)) });
  await connection.close();
});
