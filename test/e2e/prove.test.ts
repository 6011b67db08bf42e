// A proof on the lab's host: all that the lab plays holds, a primitive that is refused is one refused row, and
// nothing is left of any proof, whatever happens to it.
import { afterEach, expect, test } from 'vitest';
import { provePrimitives } from '../../contract/index.ts';
import { until } from '../../demo/until.ts';
import { beginProof, expectNothingLeft, followProof, prove } from './proofs.ts';
import { historiesOf } from './secret-search.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
const STEP_LIMIT_MS = 60_000;
/** What only a vCenter can. */
const RELOCATIONS = ['checkRelocate', 'relocateLive', 'ranThrough', 'relocateCold'];

afterEach(async () => {
  const lab = suite.house.stack.lab.ready;
  await lab.clearFaults();
  await lab.setLicence('full');
  await expectNothingLeft(suite.house);
});

test('all that a host alone can holds, and tells what it saw', async () => {
  const { house } = suite;
  const [production] = house.stack.lab.ready.datastores;
  const { code, result, row, not } = await prove(house, '--datastore', production?.name ?? '');
  expect(not('held')).toEqual(RELOCATIONS);
  expect(result.rows.map(({ primitive }) => primitive)).toEqual(Object.keys(provePrimitives));
  expect(code).toBe(0);
  expect(result).toMatchObject({
    ...{ holds: true, leftBehind: [], datastore: production?.name },
    features: {
      ...{ run: 'holds', stop: 'holds', drill: 'holds', shortOutage: 'holds', coldCopy: 'holds' },
      ...{ changes: 'holds', live: 'unproven', coldRelocate: 'unproven' },
    },
  });
  expect(row('mountArrives')?.detail).toContain('127.0.0.1');
  expect(row('mountAgain')?.detail).toContain('AlreadyExists');
  expect(row('filesBeside')?.detail).toMatch(/\.vswp/);
  expect(row('childKind')?.detail).toBe('vmfsSparse');
  expect(row('resumedOnce')?.detail).toContain('booted once');
});

test('with the free licence nothing is touched', async () => {
  const { house } = suite;
  const lab = house.stack.lab.ready;
  await lab.setLicence('free');
  const before = (await lab.methodLog()).at(-1)?.sequence ?? 0;
  const { code, result, row, not } = await prove(house);
  expect(code).toBe(1);
  expect(row('licence')).toMatchObject({ outcome: 'refused' });
  expect(not('skipped')).toEqual(['licence']);
  expect(result).toMatchObject({ holds: false, features: { run: 'refused', stop: 'refused' } });
  const called = (await lab.methodLog(before)).map(({ method }) => method);
  expect(called.filter((method) => /Create(Nas|Snapshot)|Register|Reconfig|PowerO/.test(method))).toEqual([]);
});

test('its worker is killed in the middle, and the host refuses to suspend: one row with its words', async () => {
  const { house } = suite;
  const { lab, site } = house.stack;
  await lab.ready.addFault({ method: 'SuspendVM_Task', action: 'fail', fault: 'NotSupported' });
  await lab.ready.addFault({ method: 'CreateSnapshotEx_Task', action: 'delay', delayMs: 2_000, times: 1 });
  const proveId = await beginProof(house);
  await until('the snapshot to be asked for', STEP_LIMIT_MS, async () =>
    (await lab.ready.faults()).length === 1 ? true : undefined,
  );
  await site.worker.kill('SIGKILL');
  await site.worker.start();
  const { code, result, row, not } = await followProof(house, proveId);
  expect(row('suspend')).toMatchObject({
    outcome: 'refused',
    detail: expect.stringContaining('NotSupported') as string,
  });
  expect(row('resume')).toMatchObject({ outcome: 'skipped' });
  const needsDatastore = Object.entries(provePrimitives)
    .filter(([, { round }]) => !['look', 'run'].includes(round))
    .map(([primitive]) => primitive);
  expect(not('held')).toEqual(['suspend', 'resume', ...needsDatastore]);
  expect(row('copyDisk')?.detail).toContain('--datastore');
  expect(result).toMatchObject({ holds: true, features: { run: 'holds', shortOutage: 'refused' } });
  expect(code).toBe(0);
});

test("the target's password is in no history", async () => {
  const { stack } = suite.house;
  const histories = await historiesOf(stack);
  expect(histories.some(({ workflowId }) => workflowId.startsWith('prove-'))).toBe(true);
  expect(histories.filter(({ bytes }) => bytes.includes(stack.lab.ready.password))).toEqual([]);
});
