// `npm run test:migration`: tries every cell of the migration matrix, and prints it. Exit code 0 unless a cell failed:
// what is refused, and left everything as it was, is an answer.
import { parseArgs } from 'node:util';
import { formatBytes, formatDuration } from '../../client/quantity.ts';
import { type Cell, nameOf, type Outcome } from './cell.ts';
import { allCells, runMatrix } from './matrix.ts';

const usage = `npm run test:migration [-- WORD…]

Tries every cell of target (vcenter, esx) × mode (live, short-outage, cold) × storage (vmfs, vsan, split, mixed) × changes
(gateway, datastore); with words, the cells that have all of them: npm run test:migration -- esx vsan

  split    the second disk goes to another VMFS than the rest
  mixed    the second disk goes to a vSAN, the rest to a VMFS

  --json   a JSON document a line, one for each cell`;

const HEAD = [
  'target',
  'mode',
  'storage',
  'changes',
  'ran as',
  'guest away',
  'longest pause',
  'bytes',
  'proven',
];

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (values.help) console.log(usage);
else process.exit(await main(positionals, values.json));

async function main(words: readonly string[], json: boolean): Promise<number> {
  const cells = allCells.filter((cell) =>
    words.every((word) => Object.values<string>({ ...cell }).includes(word)),
  );
  if (cells.length === 0) {
    console.error(`no cell has ${words.join(' and ')}\n\n${usage}`);
    return 2;
  }
  const done: [Cell, Outcome][] = [];
  await runMatrix(cells, (cell, outcome) => {
    done.push([cell, outcome]);
    console.log(json ? JSON.stringify({ ...cell, outcome }) : `${nameOf(cell)}: ${summaryOf(outcome)}`);
  });
  if (!json) console.log(`\n${tableOf(done)}`);
  return done.some(([, { kind }]) => kind === 'failed') ? 1 : 0;
}

function summaryOf(outcome: Outcome): string {
  if (outcome.kind !== 'proven') return `${outcome.kind}: ${outcome.words}`;
  const [mode = '', away = '', pause = '', bytes = ''] = factsOf(outcome);
  const took = formatDuration(outcome.durationMs);
  return `proven, ${mode}: guest away ${away}, longest pause ${pause}, ${bytes} in ${took}`;
}

/** Markdown. */
function tableOf(done: readonly [Cell, Outcome][]): string {
  const rows = done.map(([{ model, mode, storage, changes }, outcome]) => [
    ...[model, mode, storage, changes],
    ...(outcome.kind === 'proven' ? factsOf(outcome) : [outcome.kind, '', '', '', outcome.words]),
  ]);
  return [HEAD, HEAD.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function factsOf(outcome: Extract<Outcome, { readonly kind: 'proven' }>): string[] {
  const { mode, guestAwayMs, longestPauseMs, movedBytes, proofs } = outcome;
  const away = guestAwayMs === undefined ? '' : guestAwayMs === 0 ? 'never' : formatDuration(guestAwayMs);
  const bytes = movedBytes === undefined ? '' : formatBytes(movedBytes);
  return [mode, away, formatDuration(longestPauseMs), bytes, proofs.join('; ')];
}
