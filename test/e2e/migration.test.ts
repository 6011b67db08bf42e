// Cells of the migration matrix: one that moves a running VM to a vSAN, and one that says what stands in its way. The
// whole of it is `npm run test:migration`.
import { beforeAll, expect, test } from 'vitest';
import { type Cell, nameOf, prepareHouse, runCell } from '../migration/cell.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'vcenter' });
const cells: readonly Cell[] = [
  { model: 'vcenter', mode: 'live', storage: 'vsan', changes: 'gateway' },
  { model: 'vcenter', mode: 'live', storage: 'vsan', changes: 'datastore' },
];
/** A guest that is migrated live pauses for less than that. */
const MAX_PAUSE_MS = 2_000;

beforeAll(() => prepareHouse(suite.house));

test.for(cells.map((cell) => [nameOf(cell), cell] as const))('%s', async ([, cell]) => {
  const outcome = await runCell(suite.house, cell);
  console.log(nameOf(cell), outcome);
  expect(outcome.kind).not.toBe('failed');
  if (cell.changes === 'datastore') return;
  expect(outcome).toMatchObject({ kind: 'proven', mode: 'live', guestAwayMs: 0 });
  if (outcome.kind === 'proven') expect(outcome.longestPauseMs).toBeLessThan(MAX_PAUSE_MS);
});
