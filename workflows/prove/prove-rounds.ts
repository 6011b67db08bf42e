// What is done in each round of a proof. The steps of sessions are used as they are; what none of them does is
// tried by a step of the proof's own.
import type { ProveRound, ProveRow, ProveStepInput, TargetStepInput } from '../../contract/index.ts';
import { proveSteps, tryingSteps } from '../activities-of.ts';
import { attempt, mount, prepare, publish, type Round } from './prove-round.ts';

type Body = (round: Round) => Promise<void>;

export const roundBodies: Readonly<Record<ProveRound, Body>> = {
  run,
  outage: async (round) => {
    const vm = await prepare(round, () => runningVm(round));
    const { datastore } = round.proof.ground;
    if (vm === undefined || datastore === undefined) return;
    await tell(round, 'proveOutage', () => trying(round).proveOutage({ ...vm, datastore }));
  },
  changes: async (round) => {
    const step = await prepare(round, () => mounted(round));
    const { datastore } = round.proof.ground;
    if (step === undefined || datastore === undefined) return;
    await tell(round, 'proveChanges', () => trying(round).proveChanges({ ...step, datastore }));
  },
  live: async (round) => {
    const vm = await prepare(round, () => registeredVm(round));
    const { datastore } = round.proof.ground;
    if (vm === undefined || datastore === undefined) return;
    await tell(round, 'proveLive', () => trying(round).proveLive({ ...vm, datastore }));
  },
  cold: async (round) => {
    const vm = await prepare(round, () => registeredVm(round));
    const { datastore } = round.proof.ground;
    if (vm === undefined || datastore === undefined) return;
    await tell(round, 'proveCold', () => trying(round).proveCold({ ...vm, datastore }));
  },
};

const steps = ({ proof }: Round) => proveSteps(proof.input.site);
const trying = ({ proof }: Round) => tryingSteps(proof.input.site);

async function tell(round: Round, step: string, run: () => Promise<readonly ProveRow[]>): Promise<void> {
  const { record } = round.proof;
  record.step(`${round.name}: ${step}`);
  record.rows(await run());
}

async function mounted(round: Round): Promise<TargetStepInput> {
  return mount(round, await publish(round));
}

async function registeredVm(round: Round): Promise<ProveStepInput> {
  const step = await mounted(round);
  const { moref } = await steps(round).registerVm(step);
  return { ...step, moref };
}

async function runningVm(round: Round): Promise<ProveStepInput> {
  const vm = await registeredVm(round);
  await steps(round).powerOnVm(vm);
  return vm;
}

/** A session from its start to its stop, a row for every step of both. */
async function run(round: Round): Promise<void> {
  const published = await attempt(
    round,
    'publish',
    () => publish(round),
    ({ exported }) => `${exported.remoteHost}:${exported.remotePath}`,
  );
  if (published === undefined) return;
  const { datastore, host } = published.placement;
  const step = await attempt(
    round,
    'mount',
    () => mount(round, published),
    () => `${datastore} on ${host.name}`,
  );
  if (step !== undefined) {
    await tell(round, 'proveMount', () => trying(round).proveMount(step));
    await runVm(round, step);
    await unmount(round, step);
  }
  const { sessionId } = round;
  await attempt(
    round,
    'dropExport',
    () => steps(round).dropExport({ sessionId }),
    () => 'with its changes',
  );
}

async function runVm(round: Round, step: TargetStepInput): Promise<void> {
  const registered = await attempt(
    round,
    'register',
    () => steps(round).registerVm(step),
    ({ name, moref }) => `${name} is ${moref}`,
  );
  if (registered === undefined) return;
  const vm = { ...step, moref: registered.moref };
  await tell(round, 'proveConfiguration', () => trying(round).proveConfiguration(vm));
  await tell(round, 'provePower', () => trying(round).provePower(vm));
  if (round.proof.record.row('powerOn')?.outcome === 'held') {
    await tell(round, 'proveRunning', () => trying(round).proveRunning(vm));
    await tell(round, 'proveSnapshot', () => trying(round).proveSnapshot(vm));
  }
  await attempt(
    round,
    'powerOff',
    () => steps(round).powerOffVm(vm),
    () => 'it is off',
  );
  await attempt(
    round,
    'unregister',
    () => steps(round).unregisterVm(vm),
    () => 'it is gone from the inventory',
  );
}

/** One that other sessions use stays mounted, as it must. */
async function unmount(round: Round, step: TargetStepInput): Promise<void> {
  const { datastore, host } = step.placement;
  const answer = await attempt(
    round,
    'unmount',
    () => steps(round).unmount(step),
    () => `${datastore} is gone from ${host.name}`,
  );
  if (answer?.unmounted !== false) return;
  round.proof.record.skip(['unmount'], `it stays mounted: ${answer.reason ?? 'it is in use'}`);
}
