// From the command to a VM that runs: preflight, publish, mount, register, power on; between them, where its changes
// go to a production datastore, the folder for them and the disks in it. Every step's undoing is on
// the stack before the step runs, so that a step that died between its act and its answer is undone, too.
import {
  DEFAULT_STEP_TIMEOUT_MS,
  type PreflightResult,
  type RunningVm,
  type SessionExport,
} from '../contract/index.ts';
import { startSteps, undoSteps } from './activities-of.ts';
import type { Compensations } from './compensation.ts';
import { type RunningSession, runningVmStep, type Session, targetStep } from './session.ts';
import { verifyBefore } from './verify.ts';

/** Fails with the failure of the step that failed, or with a cancellation; undoes nothing by itself. */
export async function startSession(session: Session, undo: Compensations): Promise<RunningSession> {
  const { input, record } = session;
  const found = await preflight(session);
  if (input.verify === 'before') {
    record.step('verifyChain');
    await verifyBefore(session, found.jobId);
  }
  const exported = await publish(session, found, undo);
  const place = { placement: found.placement, exported };
  await mount(session, place, undo);
  if (found.placement.changes !== undefined) await claimChanges(session, place, undo);
  const vm = await register(session, place, undo);
  const running = { jobId: found.jobId, ...place, vm };
  if (found.placement.changes !== undefined) await redirect(session, running);
  if (input.powerOn) await powerOn(session, running, undo);
  return running;
}

type Place = Pick<RunningSession, 'placement' | 'exported'>;

const stepsFor = ({ input }: Session) =>
  startSteps(input.site, input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);

async function preflight(session: Session): Promise<PreflightResult> {
  const { input, record } = session;
  record.step('preflight');
  record.say(`Preflight: looks at backup, gateway and target ${record.status().target}`);
  const found = await stepsFor(session).preflight(input);
  for (const warning of found.warnings) record.say(warning.message, 'warning');
  record.update({ jobId: found.jobId, state: 'starting' });
  record.say(`Preflight passed: job ${found.jobId} goes to host ${found.placement.host.name}`);
  return found;
}

/** The same for a restore. */
export async function publish(
  session: Session,
  { jobId, placement }: Pick<PreflightResult, 'jobId' | 'placement'>,
  undo: Compensations,
): Promise<SessionExport> {
  const { input, record } = session;
  const { sessionId, reserveFactor } = input;
  record.step('publish');
  undo.push({
    name: 'drop the export',
    run: () => undoSteps(input.site).dropExport({ sessionId }),
  });
  const source = { ...input.source, jobId };
  const exported = await stepsFor(session).publish({
    sessionId,
    source,
    placement,
    reserveFactor,
    network: input.placement.network,
    mac: input.placement.mac,
    uuid: input.placement.uuid,
  });
  record.say(`Published the backup at the gateway (${exported.remoteHost}:${exported.remotePath})`);
  return exported;
}

/** The same for a restore. */
export async function mount(session: Session, place: Place, undo: Compensations): Promise<void> {
  const { input, record } = session;
  const step = targetStep(session, place);
  record.step('mount');
  undo.push({ name: 'unmount the datastore', run: () => undoSteps(input.site).unmount(step) });
  await stepsFor(session).mount(step);
  record.say(`Datastore ${place.placement.datastore} is mounted on host ${place.placement.host.name}`);
}

/** Before the VM is registered: its .vmx names the folder. */
async function claimChanges(session: Session, place: Place, undo: Compensations): Promise<void> {
  const { input, record } = session;
  const step = targetStep(session, place);
  record.step('claimChangesFolder');
  undo.push({
    name: 'remove the folder of changes',
    run: () => undoSteps(input.site).removeChangesFolder(step),
  });
  await stepsFor(session).claimChangesFolder(step);
  record.update({ changes: place.placement.changes });
}

/** What undoes it is the VM's end: its disks of changes go with their folder. */
async function redirect(session: Session, running: RunningSession): Promise<void> {
  const { record } = session;
  record.step('redirectChanges');
  await stepsFor(session).redirectChanges(runningVmStep(session, running));
  const { datastore = '', folder = '' } = running.placement.changes ?? {};
  record.say(`Every disk of ${running.vm.name} goes on in [${datastore}] ${folder}: its changes go there`);
}

async function register(session: Session, place: Place, undo: Compensations): Promise<RunningVm> {
  const { input, record } = session;
  const step = targetStep(session, place);
  record.step('registerVm');
  undo.push({
    name: 'unregister the VM',
    run: () => undoSteps(input.site).unregisterVm({ ...step, moref: record.status().vm?.moref }),
  });
  const vm = await stepsFor(session).registerVm(step);
  record.update({ vm, powerState: 'poweredOff' });
  record.say(`Registered ${vm.name} on host ${vm.hostName}; its disks lie in the session's directory alone`);
  return vm;
}

async function powerOn(session: Session, running: RunningSession, undo: Compensations): Promise<void> {
  const { input, record } = session;
  const step = { ...targetStep(session, running), moref: running.vm.moref };
  record.step('powerOnVm');
  undo.push({ name: 'power the VM off', run: () => undoSteps(input.site).powerOffVm(step) });
  const { poweredOnAtMs } = await stepsFor(session).powerOnVm(step);
  record.timed('poweredOnMs', poweredOnAtMs);
  record.update({ powerState: 'poweredOn' });
  const seconds = ((record.status().timings.poweredOnMs ?? 0) / 1000).toFixed(1);
  record.say(`${running.vm.name} is powered on, ${seconds} s after the command`);
}
