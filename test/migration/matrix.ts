// The migration matrix: every kind of target, mode, storage and place of changes, on a house of its own for each kind of
// target. The cells of one house run one after the other, each with a VM of its own.
import { openHouse } from '../../demo/house.ts';
import { createStack } from '../../demo/stack.ts';
import { type Cell, type Outcome, prepareHouse, runCell } from './cell.ts';

const MODELS = ['vcenter', 'esx'] as const;
const MODES = ['live', 'short-outage', 'cold'] as const;
const STORAGE = ['vmfs', 'vsan', 'split', 'mixed'] as const;
const CHANGES = ['gateway', 'datastore'] as const;

export const allCells: readonly Cell[] = MODELS.flatMap((model) =>
  MODES.flatMap((mode) =>
    STORAGE.flatMap((storage) => CHANGES.map((changes): Cell => ({ model, mode, storage, changes }))),
  ),
);

/** Tells each cell as it ends. */
export async function runMatrix(
  cells: readonly Cell[],
  onOutcome: (cell: Cell, outcome: Outcome) => void,
): Promise<void> {
  for (const model of MODELS) {
    const ofModel = cells.filter((cell) => cell.model === model);
    if (ofModel.length === 0) continue;
    await using stack = await createStack({ model });
    await stack.start();
    const house = await openHouse(stack);
    await prepareHouse(house);
    for (const cell of ofModel) onOutcome(cell, await runCell(house, cell));
  }
}
