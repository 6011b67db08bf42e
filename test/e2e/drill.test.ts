// A drill in the lab: a VM comes back beside its running original, is pictured and removed; one that never comes up
// fails; a schedule runs by itself. Each leaves its report and nothing else.
import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../../demo/until.ts';
import {
  beginDrill,
  cancelDrill,
  prepareDrills,
  readablePicture,
  reportOfDrill,
  runDrill,
  runSchedule,
  untilVmRuns,
} from './drills.ts';
import { historiesOf } from './secret-search.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
beforeAll(() => prepareDrills(suite.house));

test('a VM that comes up passes beside its running original, with a readable picture', async () => {
  const { code, result } = await runDrill(suite.house, ['web01'], '--rto', '3m');
  const { report, files } = result;
  expect(report).toMatchObject({
    verdict: 'passed',
    leftBehind: [],
    vms: [{ verdict: 'passed', notes: [] }],
  });
  expect(code).toBe(0);
  const [vm] = report.vms;
  expect(vm?.guestReadyMs).toBeGreaterThan(vm?.poweredOnMs ?? Number.NaN);
  const picture = await readablePicture(files.folder, vm);
  const html = await readFile(files.html, 'utf8');
  expect(html).toContain(`data:image/png;base64,${picture.toString('base64')}`);
  expect(JSON.parse(await readFile(files.json, 'utf8'))).toEqual(report);
  expect(await suite.house.succeed(['drill', 'show', report.drillId])).toEqual({ report, files });
});

test('a VM that never comes up fails, and the next one is tried all the same', async () => {
  const { code, result } = await runDrill(suite.house, ['empty', 'web01'], '--guest-timeout', '20s');
  expect(result.report.verdict).toBe('failed');
  expect(code).toBe(1);
  const [empty, web01] = result.report.vms;
  expect(empty).toMatchObject({
    verdict: 'failed',
    reason: expect.stringContaining('no heartbeat') as string,
  });
  await readablePicture(result.files.folder, empty);
  expect(web01).toMatchObject({ verdict: 'passed' });
});

test('a drill whose worker is killed while the network is made comes to its end all the same', async () => {
  const { house } = suite;
  const { lab, site } = house.stack;
  await lab.ready.addFault({ method: 'AddPortGroup', action: 'drop', times: 1 });
  const drillId = await beginDrill(house, ['web01']);
  await until('the port group to be made', 60_000, async () =>
    (await lab.ready.faults()).length === 0 ? true : undefined,
  );
  await site.worker.kill('SIGKILL');
  await site.worker.start();
  expect((await reportOfDrill(house, drillId)).report).toMatchObject({ verdict: 'passed', leftBehind: [] });
});

test('a drill that is cancelled while its VM runs leaves its report, and nothing else', async () => {
  const { house } = suite;
  const drillId = await beginDrill(house, ['empty', 'web01'], '--guest-timeout', '10m');
  await untilVmRuns(house, drillId);
  await cancelDrill(house, drillId);
  const { report } = await reportOfDrill(house, drillId);
  expect(report).toMatchObject({ verdict: 'failed', reason: expect.stringContaining('cancelled') as string });
  expect(report.vms.map(({ verdict }) => verdict)).toEqual(['failed', 'notRun']);
});

test('a schedule of every few seconds runs twice', () =>
  runSchedule(suite.house, { name: 'often', every: '5s', runs: 2 }));

test('no secret of a drill is in any history: what a schedule hands to its drills is in theirs', async () => {
  const { stack, passphrase } = suite.house;
  const histories = await historiesOf(stack);
  expect(histories.some(({ workflowId }) => workflowId.startsWith('drill:often-'))).toBe(true);
  for (const secret of [passphrase, stack.lab.ready.password]) {
    expect(histories.filter(({ bytes }) => bytes.includes(secret))).toEqual([]);
  }
});
