// Removes all that a Workflow has left which ended without an end of its own. It runs under that Workflow's Id: so
// Temporal sees to it that none is open under it, the site's steps act for it as for the session, and the password that
// was sealed for the session opens.
//
//   look → end its turn, lift its limit of reading → (marks off VMs in production) → power off and unregister the VM → folder of changes → unmount
//   → (a drill's network) → drop the export
//
// A look that finds a VM which is not the session's alone ends it with nothing touched. From then on each step is
// idempotent, and tried for days; the export goes last, so that a clean-up which is cancelled, terminated or given up
// is found again, and goes on where it stood.
import { defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import {
  type CleanUpInput,
  cleanUpInputSchema,
  drillOfSession,
  REPORT_SIGNAL,
  SessionMessage,
  type SessionReport,
  type SessionStatus,
  type StopResult,
  type TracedVm,
  type Traces,
} from '../contract/index.ts';
import { startSteps, undoSteps } from './activities-of.ts';
import { refuseUpdates, rejection } from './desk.ts';
import { cancelled, failureFrom, mayPass, type Reason, reasonOf } from './failure.ts';
import { giveUp } from './left-behind.ts';
import { parseInput } from './parse-input.ts';
import { dropExport, removeChanges, take, unmount } from './remove-traces.ts';
import { type EndingSession, type SessionPlace, targetStep } from './session.ts';
import { type SessionRecord, sessionRecord } from './session-record.ts';

const LOOK_TIMEOUT_MS = 60_000;

const statusQuery = defineQuery<SessionStatus>(SessionMessage.status);
const reportSignal = defineSignal<[SessionReport]>(REPORT_SIGNAL);

/** Query `status` as a session's. Answers `stopped`, or `finalized` where its VM was in production already. */
export async function cleanUp(argument: CleanUpInput): Promise<StopResult> {
  const input = parseInput(cleanUpInputSchema, argument);
  const { sessionId } = input;
  const record = openRecord(input);
  setHandler(statusQuery, () => record.status(), { description: 'How the clean-up is, and its log' });
  setHandler(reportSignal, (report) => record.report(report));
  const updates = Object.values(SessionMessage).filter((name) => name !== SessionMessage.status);
  refuseUpdates(updates, `${sessionId} is being cleaned up: it ends by itself`);
  try {
    const traces = await look(input, record);
    await letGo(input, record);
    const state = await removeFromTarget(input, record, traces);
    const kept = await dropExport({ input, record });
    if (kept !== undefined) throw stuck(record, kept);
    record.timed('stoppedMs', Date.now());
    record.update({ state, step: state, status: 'OK', progressPercent: 100 });
    record.say('Nothing of it is left');
    return { sessionId, state };
  } catch (error) {
    if (cancelled(error)) {
      record.update({ state: 'cancelled', step: 'cancelled', status: 'Warning' });
      record.say('The clean-up is cancelled; given again, it goes on where it stood', 'warning');
    }
    throw error;
  }
}

function openRecord({ target, ...input }: CleanUpInput): SessionRecord {
  const like = {
    powerOn: false,
    guestTimeoutMs: 0,
    verify: 'none',
    placement: { network: 'original' },
  } as const;
  const record = sessionRecord({ ...input, target, ...like }, undefined, {});
  record.update({ state: 'stopping', step: 'lookForTraces' });
  record.say('Looks what is left at the gateway and at the target');
  return record;
}

/** What others wait behind; a target that waits for a READ can't give its copy up. */
async function letGo({ sessionId, site }: CleanUpInput, record: SessionRecord): Promise<void> {
  const steps = undoSteps(site);
  await take({ record }, 'end its turn', () => steps.releaseTurn({ sessionId }));
  await take({ record }, 'lift its limit of reading', () => steps.liftReadLimit({ sessionId }));
}

/** Ends with a failure, and nothing touched, where something stands in the way that a person has to settle. */
async function look(
  { sessionId, site, target, powerOff }: CleanUpInput,
  record: SessionRecord,
): Promise<Traces> {
  try {
    const traces = await startSteps(site, LOOK_TIMEOUT_MS).lookForTraces({ sessionId, target });
    for (const vm of traces.vms) refuse(vm, powerOff);
    return traces;
  } catch (error) {
    if (cancelled(error)) throw error;
    const reason = reasonOf(error, 'looking what is left');
    const { type, message } = reason;
    record.update({ state: 'failed', step: 'failed', status: 'Error', failure: { type, message } });
    record.say(`Nothing was touched: ${message}`, 'error');
    throw failureFrom(reason);
  }
}

function refuse({ moref, name, standing, powerState, detail }: TracedVm, powerOff: boolean): void {
  const vm = `${name} (${moref})`;
  if (standing === 'crossing') {
    throw rejection(
      'VmMoved',
      `${vm} is not touched: it was taken half way to production, where it stands on its changes in the session ` +
        `(${detail}). Consolidate its disks in the vSphere Client, or unregister it there, then clean up again`,
    );
  }
  if (standing === 'partlyMoved') {
    throw rejection(
      'VmMoved',
      `${vm} is not touched: somebody moved or changed it, and some of it still lies with the session (${detail}). ` +
        'Move the rest to production storage or unregister it, then clean up again',
    );
  }
  if (standing === 'ours' && powerState === 'poweredOn' && !powerOff) throw guestRuns(vm);
}

const guestRuns = (vm: string): Error =>
  rejection(
    'GuestRuns',
    `${vm} runs, and its guest may be writing: all that it wrote since the start would be lost`,
  );

/** How the session has ended, by what became of its VM. */
async function removeFromTarget(
  { target, ...input }: CleanUpInput,
  record: SessionRecord,
  { place, hosts, vms }: Traces,
): Promise<'stopped' | 'finalized'> {
  if (target === undefined || place === undefined) return 'stopped';
  const session = { input: { ...input, target }, record };
  for (const vm of vms) {
    const reason =
      vm.standing === 'moved'
        ? await handOver(session, place, vm)
        : await removeVm(session, place, vm, input.powerOff);
    if (reason !== undefined) throw stuck(record, reason);
  }
  const onHosts = hosts.map((host) => ({ ...place, placement: { ...place.placement, host } }));
  const kept = await removePlaces(session, place, onHosts);
  if (kept !== undefined) throw stuck(record, kept);
  return vms.some(({ standing }) => standing === 'moved') ? 'finalized' : 'stopped';
}

async function removePlaces(
  session: EndingSession,
  place: SessionPlace,
  onHosts: readonly SessionPlace[],
): Promise<Reason | undefined> {
  const changes = place.placement.changes && (await removeChanges(session, place));
  if (changes !== undefined) return changes;
  for (const onHost of onHosts) {
    const kept = (await unmount(session, onHost)) ?? (await removeNetwork(session, onHost));
    if (kept !== undefined) return kept;
  }
  return undefined;
}

function stuck(record: SessionRecord, reason: Reason): Error {
  const words = `Given up, something is left behind: ${reason.message}`;
  return giveUp({ record }, reason, [reason.message], words);
}

/** It is in production: the session's marks come off, and it is left to run. */
function handOver(session: EndingSession, place: SessionPlace, { moref, name, detail }: TracedVm) {
  session.record.say(
    `${name} was moved to production storage (${detail}): only the session's marks are taken off it`,
  );
  return take(session, "take the session's marks off the VM", () =>
    undoSteps(session.input.site).handOverVm({ ...targetStep(session, place), moref }),
  );
}

/** Each round looks anew: while the target was away, somebody may have powered it on. */
async function removeVm(
  session: EndingSession,
  place: SessionPlace,
  { moref, name }: TracedVm,
  powerOff: boolean,
): Promise<Reason | undefined> {
  const { input, record } = session;
  const steps = undoSteps(input.site);
  const step = { ...targetStep(session, place), moref };
  const remove = async (): Promise<void> => {
    if (powerOff) await steps.powerOffVm(step);
    else if ((await steps.inspectVm(step)).powerState === 'poweredOn') throw guestRuns(`${name} (${moref})`);
    await steps.unregisterVm(step);
  };
  const kept = await take(session, 'remove the VM', remove, mayPass);
  if (kept === undefined) record.say(`${name} is ${powerOff ? 'powered off and ' : ''}unregistered`);
  return kept;
}

/** Of a drill's session. Another one of that drill may need it still, which then removes it. */
async function removeNetwork(
  session: EndingSession,
  { placement }: SessionPlace,
): Promise<Reason | undefined> {
  const { sessionId, site, target } = session.input;
  const drill = drillOfSession(sessionId);
  if (drill === undefined) return undefined;
  const network = { drillId: drill.drillId, target, host: placement.host };
  const isInUse = ({ type }: Reason): boolean => type === 'ResourceInUse';
  const kept = await take(
    session,
    "remove the drill's network",
    () => undoSteps(site).removeDrillNetwork(network),
    (reason) => mayPass(reason) && !isInUse(reason),
  );
  if (kept === undefined || !isInUse(kept)) return kept;
  session.record.say("The drill's network stays: another VM is on it", 'warning');
  return undefined;
}
