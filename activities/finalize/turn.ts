// A session's turn to migrate: so many at a time to one datastore, of all sessions of the site, whoever began them. The
// gateway keeps the queue, and a turn is its session's until that gives it back. A session whose Workflow was ended
// without doing so gives nothing back, so whoever waits looks after those before it.
//
// Limits: the bound is per target as it was named; a datastore that is reached through its vCenter and past it has two.
import { setTimeout as delay } from 'node:timers/promises';
import type { TurnInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Step } from '../step.ts';
import { assertOwnSession } from '../target.ts';
import { sessionRuns } from '../workflow-runs.ts';

const LOOK_AGAIN_MS = 500;
/** Temporal is asked after those before it each time after so many looks. */
const LOOKS_PER_ROUND = 20;
/** Of those before it, the first ones: others are looked after when they are. */
const MAX_LOOKED_AFTER = 16;

export async function awaitTurn(
  { gateway, parallelMigrations }: Pick<ActivityDeps, 'gateway' | 'parallelMigrations'>,
  { sessionId, placement, plan }: TurnInput,
  step: Step,
): Promise<{ readonly waited: boolean }> {
  assertOwnSession(step, sessionId);
  const request = { sessionId, places: placesOf(placement.targetId, plan), atATime: parallelMigrations };
  let told = '';
  for (let look = 0; ; look += 1) {
    const { waitsFor } = await gateway.takeTurn(request);
    // Another attempt may have waited for hours.
    if (waitsFor.length === 0) return { waited: look > 0 || step.attempt > 1 };
    if (told !== waitsFor.join()) {
      told = waitsFor.join();
      await step.report({ kind: 'turn', waitsFor });
    }
    if (look % LOOKS_PER_ROUND === 0) await lookAfter(gateway, waitsFor.slice(0, MAX_LOOKED_AFTER), step);
    await delay(LOOK_AGAIN_MS, undefined, { signal: step.signal });
  }
}

export async function releaseTurn(
  { gateway }: Pick<ActivityDeps, 'gateway'>,
  { sessionId }: { readonly sessionId: string },
  step: Step,
): Promise<void> {
  assertOwnSession(step, sessionId);
  await gateway.releaseTurn(sessionId);
}

async function lookAfter(
  gateway: ActivityDeps['gateway'],
  before: readonly string[],
  step: Step,
): Promise<void> {
  for (const sessionId of before) {
    if (!(await sessionRuns(step, sessionId))) await gateway.releaseTurn(sessionId);
  }
}

function placesOf(targetId: string, { datastore, disks = [] }: TurnInput['plan']): string[] {
  const morefs = [datastore, ...disks.map((disk) => disk.datastore)].map(({ moref }) => moref);
  return [...new Set(morefs)].toSorted().map((moref) => `${targetId}/${moref}`);
}
