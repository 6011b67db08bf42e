// A proof: what Run Direct asks of a host is tried on that host, in rounds, with a tiny VM of the proof's own.
// docs/compatibility.md says how to read its table.
//
//   look → backup of the tiny VM → preflight → rounds (run, outage, changes, live, cold) → the backup goes
//
// A refused primitive is a row of the result, and the Workflow completes. It fails itself only where nothing could
// be tried (preflight), and ends as cancelled when it was cancelled. Whatever happens, all of it is cleared first.
import { CancellationScope, defineQuery, setHandler, workflowInfo } from '@temporalio/workflow';
import {
  LATEST_JOB,
  type Placement,
  type ProveFeature,
  type ProveGround,
  type ProveInput,
  ProveMessage,
  type ProvePrimitive,
  type ProveResult,
  type ProveRound,
  type ProveStatus,
  primitivesOf,
  proveFeatures,
  proveInputSchema,
  provePrimitives,
  proveRounds,
  proveSessionId,
  proveVerdict,
  proveVmName,
  type SessionSource,
  type StartInput,
  targetSubject,
} from '../../contract/index.ts';
import { proveSteps, undoSteps } from '../activities-of.ts';
import { type Compensations, compensations } from '../compensation.ts';
import { cancelled, failureFrom, reasonOf, sentence } from '../failure.ts';
import { notUndone, withLeftBehind } from '../left-behind.ts';
import { type ProveRecord, proveRecord } from './prove-record.ts';
import { type Proof, proveRound } from './prove-round.ts';
import { roundBodies } from './prove-rounds.ts';

const statusQuery = defineQuery<ProveStatus>(ProveMessage.status);

/** Query `status`; see contract/prove.ts. */
export async function prove(argument: ProveInput): Promise<ProveResult> {
  const startedAtMs = Date.now();
  const input = parse(argument);
  const record = proveRecord(input);
  setHandler(statusQuery, () => record.status());
  const undo = compensations();
  const leftBehind: string[] = [];
  try {
    const { ground, host } = await tryAll(input, record, undo, leftBehind);
    await clear(record, undo, leftBehind);
    record.state('done');
    return resultOf(input, record, { ground, host, leftBehind, durationMs: Date.now() - startedAtMs });
  } catch (error) {
    await CancellationScope.nonCancellable(() => clear(record, undo, leftBehind));
    record.state(cancelled(error) ? 'cancelled' : 'failed');
    const reason = reasonOf(error, record.status().step);
    const ended = cancelled(error) ? 'The proof was cancelled' : `The proof ended early: ${reason.message}`;
    record.say(ended, 'error');
    if (leftBehind.length === 0) throw cancelled(error) ? error : failureFrom(reason);
    const message = `${sentence(reason.message)} Left to do by hand: ${leftBehind.join('; ')}`;
    throw failureFrom(withLeftBehind({ ...reason, message }, leftBehind));
  }
}

function parse(argument: ProveInput): ProveInput {
  const parsed = proveInputSchema.safeParse(argument);
  const issues = parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  const { workflowId } = workflowInfo();
  if (parsed.success && parsed.data.proveId !== workflowId) {
    issues.push(`the Workflow Id ${workflowId} is not that of the proof`);
  }
  if (parsed.success && issues.length === 0) return parsed.data;
  throw failureFrom({ type: 'InvalidInput', message: issues.join('; '), details: [] });
}

async function tryAll(
  input: ProveInput,
  record: ProveRecord,
  undo: Compensations,
  leftBehind: string[],
): Promise<{ ground: ProveGround; host: string }> {
  const { proveId, site } = input;
  const ground = await proveSteps(site).openProve(input);
  record.rows(ground.rows);
  record.say(`The target is ${ground.product}, API ${ground.apiVersion}`);
  if (ground.rows.some(({ outcome }) => outcome === 'refused')) {
    skipRest(record, 'the licence forbids changes, so nothing was touched');
    return { ground, host: '' };
  }
  record.step('makeProveBackup');
  undo.push({
    name: "remove the proof's backup",
    run: () => undoSteps(site).removeProveBackup({ proveId }),
  });
  const source = await proveSteps(site).makeProveBackup({ proveId });
  const placement = await preflight(input, record, source);
  const proof: Proof = { input, record, ground, source, placement, leftBehind };
  for (const round of proveRounds) await roundOf(proof, round);
  return { ground, host: placement.host.name };
}

/** That of a start, whole: what keeps a session from starting keeps a proof. */
async function preflight(input: ProveInput, record: ProveRecord, source: SessionSource): Promise<Placement> {
  record.step('preflight');
  const sessionId = proveSessionId(input.proveId, 'run', 1);
  const start: StartInput = {
    sessionId,
    site: input.site,
    commandedAtMs: Date.now(),
    source: { ...source, jobId: LATEST_JOB },
    target: input.target,
    placement: { ...input.placement, name: proveVmName(sessionId), network: 'disconnected' },
    powerOn: true,
    verify: 'none',
    guestTimeoutMs: 0,
    reserveFactor: 1,
  };
  const { placement, warnings } = await proveSteps(input.site).preflight(start);
  for (const { message } of warnings) record.say(message, 'warning');
  record.say(`Preflight passed: host ${placement.host.name}`);
  return placement;
}

async function roundOf(proof: Proof, round: ProveRound): Promise<void> {
  const why = whyNot(proof, round);
  if (why === undefined) await proveRound(proof, round, roundBodies[round]);
  else proof.record.skip(primitivesOf(round), why);
}

function whyNot({ record, ground }: Proof, round: ProveRound): string | undefined {
  if (round === 'run') return undefined;
  const refused = (['mount', 'register', 'powerOn'] as const).find(
    (each) => record.row(each)?.outcome !== 'held',
  );
  if (refused !== undefined) return `it stands on what did not hold: ${refused}`;
  const needsVirtualCenter = round === 'live' || round === 'cold';
  if (needsVirtualCenter && !ground.isVirtualCenter)
    return 'the target is a host alone: only a vCenter relocates';
  return ground.datastore === undefined ? 'no production datastore was named: --datastore NAME' : undefined;
}

function skipRest(record: ProveRecord, why: string): void {
  const all = Object.keys(provePrimitives) as ProvePrimitive[];
  record.skip(
    all.filter((each) => record.row(each) === undefined),
    why,
  );
}

async function clear(record: ProveRecord, undo: Compensations, leftBehind: string[]): Promise<void> {
  record.state('cleaning');
  const undone = await undo.undo({
    onWaiting: (name, why) => record.say(`Could not ${name}: ${why.message}`, 'warning'),
    onDone: () => undefined,
  });
  leftBehind.push(...notUndone(undone));
}

function resultOf(
  { proveId, target }: ProveInput,
  record: ProveRecord,
  told: { ground: ProveGround; host: string; leftBehind: readonly string[]; durationMs: number },
): ProveResult {
  const { rows } = record.status();
  const { product, apiVersion, datastore } = told.ground;
  const verdicts = (Object.keys(proveFeatures) as ProveFeature[]).map(
    (feature) => [feature, proveVerdict(rows, feature)] as const,
  );
  const features = Object.fromEntries(verdicts) as ProveResult['features'];
  return {
    proveId,
    target: targetSubject(target),
    product,
    apiVersion,
    host: told.host,
    ...(datastore === undefined ? {} : { datastore: datastore.name }),
    rows,
    features,
    holds: features.run === 'holds' && features.stop !== 'refused',
    leftBehind: told.leftBehind,
    durationMs: told.durationMs,
  };
}
