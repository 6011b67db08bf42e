// Removes all that a Workflow has left which ended without an end of its own. It runs under that Workflow's Id: so
// Temporal sees to it that none is open under it, the site's steps act for it as for the session, and the password that
// was sealed for the session opens.
//
//   look → end its turn, lift its limit of reading → (marks off VMs in production) → (power off and) unregister the VM
//   → folder of changes → unmount → (a drill's network) → look again, until nothing is found → drop the export
//
// A look that finds a VM which is not the session's alone ends it with nothing touched. From then on each step is
// idempotent, and tried for days; the export goes last, so that a clean-up which is cancelled, terminated or given up
// is found again, and goes on where it stood.
import { defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import {
  type CleanUpInput,
  cleanUpInputSchema,
  REPORT_SIGNAL,
  SessionMessage,
  type SessionReport,
  type SessionStatus,
  type StopResult,
  type Traces,
} from '../../contract/index.ts';
import { startSteps, undoSteps } from '../activities-of.ts';
import { refuseUpdates } from '../desk.ts';
import { cancelled, failureFrom, type Reason, reasonOf } from '../failure.ts';
import { giveUp } from '../left-behind.ts';
import { parseInput } from '../parse-input.ts';
import { dropExport, take } from '../remove-traces.ts';
import type { EndingSession } from '../session.ts';
import { type SessionRecord, sessionRecord } from '../session-record.ts';
import { refusalOf, removeFromTarget } from './clean-up-target.ts';

const LOOK_TIMEOUT_MS = 60_000;
/** What comes back more often is made by somebody who goes on. */
const MAX_ROUNDS = 5;
const NOTHING: Traces = { place: undefined, hosts: [], vms: [] };

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
    const state = await removeAll(input, record, traces);
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
    const refusal = refusalAmong(traces, powerOff);
    if (refusal !== undefined) throw failureFrom(refusal);
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

const refusalAmong = ({ vms }: Traces, powerOff: boolean): Reason | undefined =>
  vms.map((vm) => refusalOf(vm, powerOff)).find((refusal) => refusal !== undefined);

/**
 * Until a look finds none: a step that the ended Workflow had under way acts until its worker hears of the end. Answers
 * how the session has ended, by what became of its VM.
 */
async function removeAll(
  { target, powerOff, ...input }: CleanUpInput,
  record: SessionRecord,
  first: Traces,
): Promise<'stopped' | 'finalized'> {
  let traces = first;
  const inProduction = first.vms.some(({ standing }) => standing === 'moved');
  for (let round = 1; target !== undefined && traces.place !== undefined; round += 1) {
    const session = { input: { ...input, target }, record };
    const kept = await removeFromTarget(session, traces.place, traces, powerOff);
    if (kept !== undefined) throw stuck(record, kept);
    traces = await lookAgain(session, powerOff);
    if (!isLeft(traces)) break;
    if (round === MAX_ROUNDS) throw stuck(record, comesBack(input.sessionId));
  }
  return inProduction ? 'finalized' : 'stopped';
}

/** A datastore without a lease of the session stays where something else needs it. */
const isLeft = ({ vms, hosts }: Traces): boolean => vms.length > 0 || hosts.some(({ leased }) => leased);

const comesBack = (sessionId: string): Reason => ({
  type: 'TaskInProgress',
  message: `something of ${sessionId} came back ${MAX_ROUNDS} times: see who registers its VM, then clean up again`,
  details: [],
});

async function lookAgain({ input, record }: EndingSession, powerOff: boolean): Promise<Traces> {
  const { site, sessionId, target } = input;
  const seen: Traces[] = [];
  const kept = await take({ record }, 'look again', async () => {
    seen.push(await undoSteps(site).lookForTraces({ sessionId, target }));
  });
  const [traces = NOTHING] = seen;
  const reason = kept ?? refusalAmong(traces, powerOff);
  if (reason !== undefined) throw stuck(record, reason);
  return traces;
}

function stuck(record: SessionRecord, reason: Reason): Error {
  const words = `Given up, something is left behind: ${reason.message}`;
  return giveUp({ record }, reason, [reason.message], words);
}
