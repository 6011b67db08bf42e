// The parts of a disk's restore: what can be undone, from preflight to a VM that has the disk, and the end after it.
import {
  DEFAULT_STEP_TIMEOUT_MS,
  type RestoreDiskInput,
  type RestoreDiskPlan,
  type RestoreDiskStepInput,
  type RunningVm,
  type StopResult,
} from '../../contract/index.ts';
import { migrationSteps, startSteps, undoSteps } from '../activities-of.ts';
import type { Compensations } from '../compensation.ts';
import { giveUp } from '../left-behind.ts';
import { removeTraces } from '../remove-traces.ts';
import { type Session, targetStep } from '../session.ts';
import { mount, publish } from '../start-session.ts';
import { verifyBefore } from '../verify.ts';
import type { Copying } from './restore-run.ts';
import { assertWhole, besideVerify } from './restore-verify.ts';

/** A disk that is production's from now on. */
export interface RestoredDisk {
  readonly jobId: string;
  readonly step: RestoreDiskStepInput;
  readonly vm: RunningVm;
}

const stepsFor = ({ input }: Session) =>
  startSteps(input.site, input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);

/** Fails with the failure of the step that failed, or with a cancellation; undoes nothing by itself. */
export async function bringDiskBack(
  session: Session,
  input: RestoreDiskInput,
  copying: Copying,
  undo: Compensations,
): Promise<RestoredDisk> {
  const plan = await preflight(session, input);
  if (input.verify === 'before') {
    session.record.step('verifyChain');
    await verifyBefore(session, plan.jobId);
  }
  return besideVerify(session, plan.jobId, async (verified) => {
    const step = await prepare(session, plan, copying, undo);
    await copy(session, step, copying);
    await verified();
    assertWhole(session);
    return { jobId: plan.jobId, step, vm: await attach(session, step) };
  });
}

async function preflight({ input: { site, stepTimeoutMs }, record }: Session, input: RestoreDiskInput) {
  record.step('restoreDiskPreflight');
  record.say(`Preflight: looks at backup, gateway, target ${record.status().target} and VM ${input.toVm}`);
  const steps = startSteps(site, stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);
  const plan: RestoreDiskPlan = await steps.restoreDiskPreflight(input);
  for (const warning of plan.warnings) record.say(warning.message, 'warning');
  const { jobId, disk, vm, file } = plan;
  const { restore } = record.status();
  const toVm = { name: vm.name, node: undefined };
  record.update({
    ...{ jobId, state: 'restoring' },
    restore: restore && { ...restore, datastore: file.datastore, toVm },
  });
  record.say(`Preflight passed: disk ${disk.name} of job ${jobId} goes to VM ${vm.name}`);
  return plan;
}

/** The export is on the VM's host, and the folder for the disk is there. */
async function prepare(
  session: Session,
  { jobId, placement, disk, vm, file }: RestoreDiskPlan,
  copying: Copying,
  undo: Compensations,
): Promise<RestoreDiskStepInput> {
  const { input, record } = session;
  const exported = await publish(session, { jobId, placement }, undo);
  const place = { placement, exported };
  await mount(session, place, undo);
  const step: RestoreDiskStepInput = { ...targetStep(session, place), disk, vm, file };
  let opened = step;
  record.step('openDiskFolder');
  undo.push({
    name: 'remove the disk',
    run: () => undoSteps(input.site).removeRestoredDisk({ ...opened, task: copying.progress.task() }),
  });
  opened = { ...step, file: await stepsFor(session).openDiskFolder(step) };
  return opened;
}

async function copy(
  session: Session,
  step: RestoreDiskStepInput,
  { progress, throttle }: Copying,
): Promise<void> {
  const { input, record } = session;
  const { disk, file } = step;
  progress.open([disk]);
  await throttle.copying(async () => {
    progress.begin(disk);
    record.say(`The target copies disk ${disk.name} to ${pathOf(step)}`);
    await migrationSteps(input.site).copyDiskToVm(step);
    progress.done(disk);
  });
  progress.close();
  const { copyMs = 0 } = record.status().restore ?? {};
  record.say(`The disk is on datastore ${file.datastore}, in ${(copyMs / 1000).toFixed(1)} s`);
}

async function attach(session: Session, step: RestoreDiskStepInput): Promise<RunningVm> {
  const { record } = session;
  record.step('attachRestoredDisk');
  const { node } = await stepsFor(session).attachRestoredDisk(step);
  const { moref, name } = step.vm;
  const { datastore } = step.file;
  const vm = { moref, name, hostName: step.placement.host.name, datastore };
  const { restore } = record.status();
  record.update({ vm, restore: restore && { ...restore, location: pathOf(step), toVm: { name, node } } });
  record.say(`VM ${name} has the disk, at ${node}`);
  return vm;
}

/** Throws only where something stays behind that a person has to remove. */
export async function handOverDisk(session: Session, { step, vm }: RestoredDisk): Promise<StopResult> {
  const { input, record } = session;
  record.step('handOver');
  const left = await removeTraces(session, step);
  if (left !== undefined) {
    const words = `The VM has the disk; something is left behind all the same: ${left.message}`;
    throw giveUp(session, left, [left.message], words);
  }
  record.timed('stoppedMs', Date.now());
  record.update({ state: 'restored', step: 'restored', progressPercent: 100, status: 'OK' });
  const { node = '' } = record.status().restore?.toVm ?? {};
  record.say(
    `Restored: VM ${vm.name} has the disk at ${node}; datastore lease and export are gone. Status OK`,
  );
  return { sessionId: input.sessionId, state: 'restored' };
}

const pathOf = ({ file: { datastore, folder, name } }: RestoreDiskStepInput): string =>
  `[${datastore}] ${folder}/${name}`;
