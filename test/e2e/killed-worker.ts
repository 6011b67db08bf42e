// A worker that is killed while it starts a session: the session comes to run all the same, or is undone whole.
import { expect } from 'vitest';
import type { SessionStatus } from '../../contract/index.ts';
import type { House } from '../../demo/house.ts';

export const SET = 'nightly';
export const VM = 'web01';
/** A start takes about this long; a random moment of it is chosen within. */
const START_TAKES_MS = 3_000;

/** Backs up a VM, and destroys it. */
export async function prepareVm(house: House): Promise<void> {
  const vm = await house.createVm(VM);
  await house.backup(SET, vm.folder);
  await vm.destroy();
}

/** Starts a session, and lets the worker die and come back at a random moment of it. */
export async function killAtRandom(house: House, ...flags: string[]): Promise<void> {
  const { worker } = house.stack.site;
  const momentMs = Math.floor(Math.random() * START_TAKES_MS);
  const begun = await house.succeed([...house.startFlags(SET, VM), ...flags, '--detach']);
  await new Promise((resolve) => setTimeout(resolve, momentMs));
  await worker.kill('SIGKILL');
  await worker.start();
  const { state } = await endWell(house, begun['sessionId'] as string);
  console.log(`worker killed ${momentMs} ms after the start: ${state}`);
}

/** A session that runs after all must be a good one: its guest answers, and it can be stopped. */
export async function endWell(house: House, session: string): Promise<SessionStatus> {
  const status = await house.watch(session);
  if (status.state !== 'running') {
    expect(['failed', 'cancelled']).toContain(status.state);
    return status;
  }
  expect(status.powerState).toBe('poweredOn');
  const guest = await (await house.sessionVm(status)).guest();
  expect(await guest.boots()).toBe(1);
  await house.stop(session);
  return status;
}
