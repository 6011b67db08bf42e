import { beforeAll, expect, test } from 'vitest';
import { prepareDrills, runSchedule } from '../e2e/drills.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'vcenter' });
beforeAll(() => prepareDrills(suite.house));

test('a drill every minute, 5 times: 5 reports with a picture each, nothing left', async () => {
  const drills = await runSchedule(suite.house, { name: 'minutely', every: '1m', runs: 5 });
  const begun = drills.map(({ report }) => Date.parse(report.startedAt)).sort((a, b) => a - b);
  expect(begun).toHaveLength(5);
  for (const [index, at] of begun.slice(1).entries()) expect(at - (begun[index] ?? 0)).toBeLessThan(90_000);
});
