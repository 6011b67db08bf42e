// A short outage to two datastores in whose middle something is lost, at every step of the way and of the way back, and
// at random moments: worker, gateway, Temporal, the line to the target, answers that never arrive. And one that is called
// off at random moments. It completes, or the guest still runs from the gateway; with every line that it acknowledged
// either way; never neither, never both.
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SearchAttribute, type SiteActivities } from '../../contract/index.ts';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';
import {
  type Crossing,
  expectArrived,
  expectRunsOn,
  placeFlags,
  prepareVm,
  startWriting,
  toTwoDatastores,
  vmNow,
} from '../e2e/crossings.ts';
import { withHouse } from '../e2e/with-house.ts';
import { counted } from '../numbered-lines.ts';
import { MISHAPS, type Mishap, type Mishaps, openMishaps } from './mishaps.ts';

type StepName = keyof SiteActivities;
type Prepare = () => Promise<void>;
const nothing: Prepare = () => Promise.resolve();

const suite = withHouse({ model: 'esx' });
const LOOK_EVERY_MS = 10;
const STATE_KEY = defineSearchAttributeKey(SearchAttribute.state, 'KEYWORD');
const RANDOM_ROUNDS = 8;
const CANCEL_ROUNDS = 4;
/** A finalize in which something was lost takes a while for each loss. */
const END_LIMIT_MS = 300_000;
/** A finalize of the small guest takes about this long; random moments lie within. */
const FINALIZE_TAKES_MS = 15_000;
const COPY_BYTES_PER_SECOND = 16 << 20;
/** A step may be over before it is seen, and a finalize that went back leaves those after it to the next one. */
const MAX_FINALIZES = 8;
const FORWARD: readonly StepName[] = [
  'finalizePreflight',
  'claimProductionFolder',
  'freezeDisks',
  'copyFrozenDisk',
  'takeGuestAway',
  'stageVm',
  'fenceOldVm',
  'joinInProduction',
  'runInProduction',
  'settleInProduction',
  'releaseProductionFolder',
  'handOverVm',
  'unmount',
  'dropExport',
];
const BACK: readonly StepName[] = [
  'withdrawFromProduction',
  'returnOldVm',
  'bringGuestBack',
  'thawDisks',
  'removeProductionFolder',
];
/** What a finalize asks of the host, in its order. */
const FORWARD_CALLS = [
  'MakeDirectory',
  'CreateSnapshotEx_Task',
  'CopyVirtualDisk_Task',
  'SuspendVM_Task',
  'UnregisterVM',
  'RegisterVM_Task',
  'PowerOnVM_Task',
  'ConsolidateVMDisks_Task',
  'DeleteDatastoreFile_Task',
  'ReconfigVM_Task',
  'RemoveDatastore',
];
/** What it asks on the way back from a VM that does not power on in production; the first two on the way there, too. */
const BACK_CALLS = ['UnregisterVM', 'RegisterVM_Task', 'RemoveSnapshot_Task', 'DeleteDatastoreFile_Task'];

let connection: Connection;
let mishaps: Mishaps;

beforeAll(async () => {
  const { house } = suite;
  await prepareVm(house);
  connection = await Connection.connect({ address: house.stack.temporal.ready.address });
  mishaps = await openMishaps(house);
});
afterAll(async () => {
  await mishaps[Symbol.asyncDispose]();
  await connection.close();
});
afterEach(async () => {
  const lab = suite.house.stack.lab.ready;
  await lab.clearFaults();
  await lab.setStorageRate(0);
});

/** @param prepare is done when the guest writes, and before the finalize. */
async function begin(name: string, prepare: Prepare = nothing): Promise<Crossing> {
  const { house } = suite;
  const crossing = toTwoDatastores(house, await startWriting(house, name, ...mishaps.flags));
  await prepare();
  await house.stack.lab.ready.setStorageRate(COPY_BYTES_PER_SECOND);
  const { sessionId } = crossing.session;
  const way = [...placeFlags(crossing), '--vmotion', 'short-outage'];
  await house.succeed(['finalize', sessionId, ...way, '--detach']);
  return crossing;
}

const nameOf = (what: Mishap): string => what.replaceAll(' ', '-');

/** Returns as soon as the step is under way; false when it will not be any more. */
async function untilStep(
  { session }: Crossing,
  step: StepName,
  later: readonly StepName[],
): Promise<boolean> {
  const handle = new Client({ connection }).workflow.getHandle(session.sessionId);
  return until(
    step,
    END_LIMIT_MS,
    async () => {
      // Temporal is one of those that are lost.
      const seen = await handle.describe().catch(() => undefined);
      if (seen === undefined) return undefined;
      const pending = (seen.raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
      if (pending.includes(step)) return true;
      const isOver =
        seen.status.name !== 'RUNNING' || seen.typedSearchAttributes.get(STATE_KEY) === 'running';
      return isOver || later.some((each) => pending.includes(each)) ? false : undefined;
    },
    LOOK_EVERY_MS,
  );
}

/** Finalizes sessions until `what` was lost at each of the steps, and looks at the end of each. */
async function strikeAtEvery(
  what: Mishap,
  steps: readonly StepName[],
  prepare: Prepare = nothing,
): Promise<void> {
  const missing = new Set(steps);
  for (let round = 1; round <= MAX_FINALIZES && missing.size > 0; round++) {
    const crossing = await begin(`${nameOf(what)}-${steps[0] ?? ''}-${round}`.toLowerCase(), prepare);
    const struck: StepName[] = [];
    for (const [index, step] of steps.entries()) {
      if (!missing.has(step) || !(await untilStep(crossing, step, steps.slice(index + 1)))) continue;
      await mishaps.strike(what);
      struck.push(step);
      missing.delete(step);
    }
    console.log(`${what} lost at ${struck.join(', ')}: ${await expectEndsWell(crossing)}`);
  }
  expect([...missing]).toEqual([]);
}

/** However it ends, it ends well. */
async function expectEndsWell(crossing: Crossing): Promise<string> {
  const { house } = suite;
  const { sessionId } = crossing.session;
  const end = await until(
    'the finalize to end',
    END_LIMIT_MS,
    async () => {
      const { state } = (await house.showNow(sessionId)) ?? {};
      return state === 'finalized' || state === 'running' ? state : undefined;
    },
    COMMAND_EVERY_MS,
  );
  const lab = house.stack.lab.ready;
  await lab.setStorageRate(0);
  await lab.clearFaults();
  await expectOne(crossing);
  if (end === 'finalized') {
    await expectArrived(house, crossing, { boots: 1, wroteMeanwhile: false });
    return end;
  }
  await expectRunsOn(house, crossing);
  const guest = await (await vmNow(house, crossing)).guest();
  const acknowledged = await guest.endLog();
  expect(await guest.log()).toEqual(counted(acknowledged));
  await house.stop(sessionId);
  return end;
}

/** In the inventory, and running. */
async function expectOne({ session }: Crossing): Promise<void> {
  await using vsphere = await connect(suite.house.stack.lab.ready);
  const found = await vsphere.findVmsByName(session.vmName);
  expect(found.map(({ powerState }) => powerState)).toEqual(['poweredOn']);
}

/** The VM does not power on in production, once. */
async function failToRun(): Promise<void> {
  await suite.house.stack.lab.ready.addFault({
    ...{ method: 'PowerOnVM_Task', action: 'failTask', fault: 'GenericVmConfigFault', times: 1 },
  });
}

describe.each(MISHAPS)('%s, lost', (what) => {
  test('at every step of the way', () => strikeAtEvery(what, FORWARD));
  test('at every step of the way back', () => strikeAtEvery(what, BACK, failToRun));
});

describe('at a random moment', () => {
  const rounds = Array.from({ length: RANDOM_ROUNDS }, (_, round) => round);
  test.each(rounds)('something is lost, round %i', async (round) => {
    const what = MISHAPS[round % MISHAPS.length] ?? 'worker';
    const crossing = await begin(`random${round}`);
    const momentMs = await randomMoment();
    await mishaps.strike(what);
    console.log(`${what} lost ${momentMs} ms after the order: ${await expectEndsWell(crossing)}`);
  });

  test.each(Array.from({ length: CANCEL_ROUNDS }, (_, round) => round))(
    'a cancel, round %i',
    async (round) => {
      const crossing = await begin(`cancel${round}`);
      const momentMs = await randomMoment();
      const { code } = await suite.house.run(['finalize', crossing.session.sessionId, '--cancel']);
      console.log(`cancelled ${momentMs} ms after the order (${code}): ${await expectEndsWell(crossing)}`);
    },
  );
});

async function randomMoment(): Promise<number> {
  const momentMs = Math.floor(Math.random() * FINALIZE_TAKES_MS);
  await delay(momentMs);
  return momentMs;
}

describe('answers of the host that never arrive', () => {
  test.each([
    ['whose worker lives', 'lives'],
    ['whose worker dies of each', 'dies'],
  ] as const)('on the way of a finalize %s', async (_, worker) => {
    const crossing = await begin(`unanswered-${worker}`, () => dropAnswers(FORWARD_CALLS, 1));
    await untilAllDropped(worker === 'dies');
    expect(await expectEndsWell(crossing)).toBe('finalized');
  });

  test.each([
    ['whose worker lives', 'lives'],
    ['whose worker dies of each', 'dies'],
  ] as const)('on the way back of a finalize %s', async (_, worker) => {
    const crossing = await begin(`unanswered-back-${worker}`, async () => {
      await failToRun();
      await dropAnswers(BACK_CALLS.slice(0, 2), 2);
      await dropAnswers(BACK_CALLS.slice(2), 1);
    });
    await untilAllDropped(worker === 'dies');
    expect(await expectEndsWell(crossing)).toBe('running');
  });
});

async function dropAnswers(methods: readonly string[], times: number): Promise<void> {
  for (const method of methods) await suite.house.stack.lab.ready.addFault({ method, action: 'drop', times });
}

/** Each of the calls was performed, and never answered: who asked can't know. */
async function untilAllDropped(killWorker: boolean): Promise<void> {
  const left = async (): Promise<number> =>
    (await suite.house.stack.lab.ready.faults())
      .filter(({ action }) => action === 'drop')
      .reduce((sum, { times }) => sum + times, 0);
  for (let before = await left(); before > 0; ) {
    const known = before;
    before = await until('an answer to be dropped', END_LIMIT_MS, async () => {
      const now = await left();
      return now < known ? now : undefined;
    });
    if (killWorker) await mishaps.strike('worker');
  }
}
