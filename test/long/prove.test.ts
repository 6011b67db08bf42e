// Proofs where it takes longer: through a vCenter, and broken off at any moment.
import { expect, test } from 'vitest';
import { expectNothingLeft, prove } from '../e2e/proofs.ts';
import { withHouse } from '../e2e/with-house.ts';

const suite = withHouse({ model: 'vcenter' });

test('through a vCenter everything holds', async () => {
  const { house } = suite;
  const [production] = house.stack.lab.ready.datastores;
  const { code, result, not } = await prove(house, '--datastore', production?.name ?? '');
  console.log(result.rows.map((row) => `${row.outcome} ${row.primitive} ${row.ms} ${row.detail}`).join('\n'));
  expect(not('held')).toEqual([]);
  expect(code).toBe(0);
  await expectNothingLeft(house);
});
