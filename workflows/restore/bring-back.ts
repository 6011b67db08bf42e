// The part of a restore that can be undone: from preflight to a VM that is registered in production and was read
// back. Every step's undoing is on the stack before the step runs.
import {
  DEFAULT_STEP_TIMEOUT_MS,
  folderWords,
  type RestoreDisk,
  type RestoreInput,
  type RestorePlan,
  type RestoreStepInput,
  type RunningVm,
} from '../../contract/index.ts';
import { migrationSteps, startSteps, undoSteps } from '../activities-of.ts';
import type { Compensations } from '../compensation.ts';
import { type Session, targetStep } from '../session.ts';
import { mount, publish } from '../start-session.ts';
import { verifyBefore } from '../verify.ts';
import type { Copying } from './restore-run.ts';
import { assertWhole, besideVerify } from './restore-verify.ts';

/** A VM that is production's from now on. */
export interface RestoredVm {
  readonly jobId: string;
  readonly step: RestoreStepInput;
  readonly vm: RunningVm;
}

const stepsFor = ({ input }: Session) =>
  startSteps(input.site, input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);

/** Fails with the failure of the step that failed, or with a cancellation; undoes nothing by itself. */
export async function bringBack(
  session: Session,
  input: RestoreInput,
  copying: Copying,
  undo: Compensations,
): Promise<RestoredVm> {
  const plan = await preflight(session, input);
  if (input.verify === 'before') {
    session.record.step('verifyChain');
    await verifyBefore(session, plan.jobId);
  }
  return besideVerify(session, plan.jobId, async (verified) => {
    const step = await prepare(session, plan, copying, undo);
    await copyDisks(session, plan, step, copying);
    await writeFiles(session, plan, step);
    await verified();
    assertWhole(session);
    return { jobId: plan.jobId, step, vm: await register(session, step) };
  });
}

async function preflight(session: Session, input: RestoreInput): Promise<RestorePlan> {
  const { record } = session;
  record.step('restorePreflight');
  record.say(`Preflight: looks at backup, gateway and target ${record.status().target}`);
  const plan = await stepsFor(session).restorePreflight(input);
  for (const warning of plan.warnings) record.say(warning.message, 'warning');
  record.update({ jobId: plan.jobId, state: 'restoring' });
  record.say(`Preflight passed: job ${plan.jobId} goes to ${folderWords(plan.production)}`);
  return plan;
}

/** The export is on the host, and the folders in production are this restore's. */
async function prepare(
  session: Session,
  plan: RestorePlan,
  copying: Copying,
  undo: Compensations,
): Promise<RestoreStepInput> {
  const { input, record } = session;
  const exported = await publish(session, plan, undo);
  const place = { placement: plan.placement, exported };
  await mount(session, place, undo);
  let step: RestoreStepInput = { ...targetStep(session, place), production: plan.production };
  record.step('claimRestoreFolder');
  undo.push({
    name: 'remove what was restored',
    run: () => undoSteps(input.site).removeRestore({ ...step, task: copying.progress.task() }),
  });
  step = { ...step, production: await stepsFor(session).claimRestoreFolder(step) };
  return step;
}

async function copyDisks(
  session: Session,
  { disks }: RestorePlan,
  step: RestoreStepInput,
  { progress, throttle }: Copying,
): Promise<void> {
  const { input, record } = session;
  progress.open(disks);
  await throttle.copying(async () => {
    for (const disk of disks) {
      assertWhole(session);
      progress.begin(disk);
      record.say(`The target copies disk ${disk.name} to datastore ${datastoreFor(step, disk)}`);
      await migrationSteps(input.site).copyRestoreDisk({ ...step, disk });
      progress.done(disk);
    }
  });
  progress.close();
  const { copyMs = 0 } = record.status().restore ?? {};
  record.say(
    `${disks.length === 1 ? 'The disk is' : `All ${disks.length} disks are`} copied, in ${(copyMs / 1000).toFixed(1)} s`,
  );
}

function datastoreFor({ production }: RestoreStepInput, { name }: RestoreDisk): string {
  return (production.apart?.find(({ disks }) => disks.includes(name)) ?? production).datastore;
}

async function writeFiles(session: Session, { jobId }: RestorePlan, step: RestoreStepInput): Promise<void> {
  const { input, record } = session;
  const { network } = input.placement;
  record.step('writeVmFiles');
  const source = { ...input.source, jobId };
  await stepsFor(session).writeVmFiles({
    ...step,
    source,
    network: network === 'original' ? network : 'disconnected',
  });
}

async function register(session: Session, step: RestoreStepInput): Promise<RunningVm> {
  const { record } = session;
  const { datastore, folder } = step.production;
  record.step('registerRestoredVm');
  const vm = await stepsFor(session).registerRestoredVm(step);
  const { restore } = record.status();
  const location = `[${datastore}] ${folder}`;
  record.update({ vm, powerState: 'poweredOff', restore: restore && { ...restore, location } });
  const where = folderWords(step.production);
  record.say(`Registered ${vm.name} on host ${vm.hostName}; every file of it lies in ${where}`);
  return vm;
}
