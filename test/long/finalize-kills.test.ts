// A short outage whose worker or gateway is killed at every step of the way and at random moments, and that is called
// off at random moments: it completes, or the guest still runs from the gateway, with every line that it acknowledged
// either way; never neither, never both.
import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SiteActivities } from '../../contract/index.ts';
import { COMMAND_EVERY_MS, until } from '../../demo/until.ts';
import { connect } from '../../vsphere/index.ts';
import {
  type Crossing,
  expectArrived,
  expectRunsOn,
  prepareVm,
  STEP_LIMIT_MS,
  startWriting,
  vmNow,
} from '../e2e/crossings.ts';
import { withHouse } from '../e2e/with-house.ts';
import { counted } from '../numbered-lines.ts';

const suite = withHouse({ model: 'esx' });
const LOOK_EVERY_MS = 10;
const ROUNDS = 4;
/** A finalize of the small guest takes about this long; random moments lie within. */
const FINALIZE_TAKES_MS = 15_000;
const COPY_BYTES_PER_SECOND = 16 << 20;
const STEPS: readonly (keyof SiteActivities)[] = [
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

let connection: Connection;

beforeAll(async () => {
  await prepareVm(suite.house);
  connection = await Connection.connect({ address: suite.house.stack.temporal.ready.address });
});
afterAll(() => connection.close());
afterEach(() => suite.house.stack.lab.ready.setStorageRate(0));

async function begin(name: string): Promise<Crossing> {
  const { house } = suite;
  const crossing = await startWriting(house, name);
  await house.stack.lab.ready.setStorageRate(COPY_BYTES_PER_SECOND);
  const { sessionId } = crossing.session;
  await house.succeed(['finalize', sessionId, '--datastore', crossing.production.name, '--detach']);
  return crossing;
}

/** Returns as soon as a worker has the step in its hands, or has had it. */
async function untilStep({ session }: Crossing, step: keyof SiteActivities): Promise<void> {
  const handle = new Client({ connection }).workflow.getHandle(session.sessionId);
  await until(
    step,
    STEP_LIMIT_MS,
    async () => {
      const { raw, status } = await handle.describe();
      const isPending = raw.pendingActivities?.some(({ activityType }) => activityType?.name === step);
      return isPending === true || status.name !== 'RUNNING' ? true : undefined;
    },
    LOOK_EVERY_MS,
  );
}

/** However it ends, it ends well. */
async function expectEndsWell(crossing: Crossing): Promise<string> {
  const { house } = suite;
  const { sessionId } = crossing.session;
  const end = await until(
    'the finalize to end',
    STEP_LIMIT_MS,
    async () => {
      const { state } = await house.show(sessionId);
      return state === 'finalized' || state === 'running' ? state : undefined;
    },
    COMMAND_EVERY_MS,
  );
  await house.stack.lab.ready.setStorageRate(0);
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

describe('a worker that is killed', () => {
  test.each(STEPS)('at %s', async (step) => {
    const { worker } = suite.house.stack.site;
    const crossing = await begin(step.toLowerCase());
    await untilStep(crossing, step);
    await worker.kill('SIGKILL');
    await worker.start();
    console.log(`worker killed at ${step}: ${await expectEndsWell(crossing)}`);
  });

  test.each(Array.from({ length: ROUNDS }, (_, round) => round))('at random, round %i', async (round) => {
    const { worker } = suite.house.stack.site;
    const momentMs = Math.floor(Math.random() * FINALIZE_TAKES_MS);
    const crossing = await begin(`random${round}`);
    await new Promise((resolve) => setTimeout(resolve, momentMs));
    await worker.kill('SIGKILL');
    await worker.start();
    console.log(`worker killed ${momentMs} ms after the order: ${await expectEndsWell(crossing)}`);
  });
});

const GATEWAY_STEPS: readonly (keyof SiteActivities)[] = [
  'copyFrozenDisk',
  'takeGuestAway',
  'fenceOldVm',
  'runInProduction',
  'settleInProduction',
];
test.each(GATEWAY_STEPS)('a gateway that is killed at %s', async (step) => {
  const { gateway } = suite.house.stack.site;
  const crossing = await begin(`gw-${step.toLowerCase()}`);
  await untilStep(crossing, step);
  await gateway.kill('SIGKILL');
  await gateway.start();
  console.log(`gateway killed at ${step}: ${await expectEndsWell(crossing)}`);
});

test.each(Array.from({ length: ROUNDS }, (_, round) => round))(
  'a cancel at random, round %i',
  async (round) => {
    const { house } = suite;
    const momentMs = Math.floor(Math.random() * FINALIZE_TAKES_MS);
    const crossing = await begin(`cancel${round}`);
    await new Promise((resolve) => setTimeout(resolve, momentMs));
    const { code } = await house.run(['finalize', crossing.session.sessionId, '--cancel']);
    console.log(`cancelled ${momentMs} ms after the order (${code}): ${await expectEndsWell(crossing)}`);
  },
);
