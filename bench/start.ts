// From the command to a VM that is powered on from its backup, as a user waits for it: command line, Temporal, site,
// gateway and a host that mounts and registers. Through the lab, whose host takes its own steps faster than a real one.
//
//   node bench/start.ts       about a minute
import { openHouse } from '../demo/house.ts';
import { startStack } from '../demo/stack.ts';

const ROUNDS = 10;
/** What a user is promised, in the lab, on a machine that has nothing else to do. */
const TARGET_MS = 5_000;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

for (const model of ['esx', 'vcenter'] as const) {
  await using stack = await startStack({ model });
  const house = await openHouse(stack);
  const original = await house.createVm('web01');
  await house.backup('nightly', original.folder);
  await original.destroy();
  const taken: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { sessionId, timings } = await house.start('nightly', 'web01', '--guest-timeout', '0');
    taken.push(timings.poweredOnMs ?? Number.NaN);
    await house.stop(sessionId);
  }
  taken.sort((one, other) => one - other);
  const [fastest = 0, slowest = 0] = [taken[0], taken.at(-1)];
  const median = taken[Math.floor(ROUNDS / 2)] ?? 0;
  console.log(
    `${model}: command to powered on, ${ROUNDS} times: ${seconds(fastest)} to ${seconds(slowest)}, ` +
      `median ${seconds(median)} (${median < TARGET_MS ? 'within' : 'beyond'} ${seconds(TARGET_MS)})`,
  );
}
