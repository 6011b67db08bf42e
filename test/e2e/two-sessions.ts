// Two sessions on one host, one being started while the other is stopped, again and again. They share the
// datastore, so the stop of one must never take it from the other.
import { expect } from 'vitest';
import type { SessionStatus } from '../../contract/index.ts';
import type { House } from '../../demo/house.ts';
import { leftovers } from '../../demo/leftovers.ts';

const SET = 'pair';
const VMS = ['left', 'right'] as const;

/** Backs up two VMs, and destroys them. */
export async function preparePair(house: House): Promise<void> {
  const vms = [];
  for (const name of VMS) vms.push(await house.createVm(name));
  await house.backup(SET, ...vms.map(({ folder }) => folder));
  for (const vm of vms) await vm.destroy();
}

export async function playRounds(house: House, rounds: number): Promise<void> {
  let running = await house.start(SET, VMS[0]);
  for (let round = 1; round <= rounds; round += 1) {
    const [next] = await Promise.all([
      house.start(SET, VMS[round % 2] ?? VMS[0]),
      house.stop(running.sessionId),
    ]);
    await expectAlive(house, next, round);
    running = next;
  }
  await house.stop(running.sessionId);
  expect(await leftovers(house.stack)).toEqual([]);
}

/** Its guest writes to its disk and reads it back: the datastore is there. */
async function expectAlive(house: House, session: SessionStatus, round: number): Promise<void> {
  const guest = await (await house.sessionVm(session)).guest();
  await guest.write(`round-${round}`);
  expect(await guest.notes()).toEqual([`round-${round}`]);
}
