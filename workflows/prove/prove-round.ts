// One round of a proof: a session of its own, made by the steps of every session, in which a few things are tried,
// and of which nothing stays. A round that nobody could finish (a worker died, the target was away) is cleared and
// begun anew, as another session; what the host refuses is a row, and no reason to begin anew.
import {
  type Placement,
  type ProveGround,
  type ProveInput,
  type ProvePrimitive,
  type ProveRound,
  primitivesOf,
  proveSessionId,
  proveVmName,
  type SessionSource,
  type TargetStepInput,
} from '../../contract/index.ts';
import { proveSteps, undoSteps } from '../activities-of.ts';
import { type Compensations, compensations } from '../compensation.ts';
import { cancelled, type Reason, reasonOf, sentence } from '../failure.ts';
import { notUndone } from '../left-behind.ts';
import { sayWaiting } from '../undo-words.ts';
import type { ProveRecord } from './prove-record.ts';

/** What all rounds share. */
export interface Proof {
  readonly input: ProveInput;
  readonly record: ProveRecord;
  readonly ground: ProveGround;
  readonly source: SessionSource;
  /** As preflight chose it, for the first round. */
  readonly placement: Placement;
  /** What could not be removed, in words; filled as it is found. */
  readonly leftBehind: string[];
}

export interface Round {
  readonly proof: Proof;
  readonly name: ProveRound;
  readonly sessionId: string;
  readonly placement: Placement;
  readonly undo: Compensations;
}

/** Room for changes: the VM's swap file and its state come to more than its disk. */
const RESERVE_FACTOR = 10;
const MAX_ATTEMPTS = 3;
/** Nobody could ask the host: that says nothing about it. */
const AWAY: ReadonlySet<string> = new Set(['SiteUnavailable', 'TargetUnavailable', 'GatewayUnavailable']);

/** Ends with a row for each of the round's primitives and nothing left; throws a cancellation alone. */
export async function proveRound(
  proof: Proof,
  name: ProveRound,
  body: (round: Round) => Promise<void>,
): Promise<void> {
  const { record, input } = proof;
  for (let attempt = 1; ; attempt++) {
    const sessionId = proveSessionId(input.proveId, name, attempt);
    const undo = compensations();
    const placement = { ...proof.placement, vmName: proveVmName(sessionId) };
    record.forget(primitivesOf(name));
    record.say(`Round ${name}: session ${sessionId}`);
    try {
      await body({ proof, name, sessionId, placement, undo });
      fillIn(proof, name);
      return;
    } catch (error) {
      if (cancelled(error)) throw error;
      const reason = reasonOf(error, record.status().step);
      const isLast = attempt === MAX_ATTEMPTS;
      const then = isLast ? 'It is given up' : 'It is cleared and begun anew';
      record.say(`Round ${name} was broken off: ${sentence(reason.message)} ${then}`, 'warning');
      if (!isLast) continue;
      record.skip(primitivesOf(name), `nobody could tell: ${reason.message}`);
      return;
    } finally {
      await clear(proof, name, undo);
    }
  }
}

/** What was not come to stands on what was refused. */
function fillIn({ record }: Proof, name: ProveRound): void {
  const all = primitivesOf(name);
  const refused = all.filter((each) => record.row(each)?.outcome === 'refused');
  const missing = all.filter((each) => record.row(each) === undefined);
  record.skip(missing, `it stands on what was refused: ${refused.join(', ')}`);
}

async function clear({ record, leftBehind }: Proof, name: ProveRound, undo: Compensations): Promise<void> {
  record.step(`${name}: clear up`);
  const undone = await undo.undo({ onWaiting: sayWaiting(record), onDone: () => undefined });
  leftBehind.push(...notUndone(undone));
}

/**
 * A step of sessions as a primitive: its failure is the row's, and the answer undefined. Throws where it says
 * nothing about the host.
 */
export async function attempt<T>(
  { proof: { record }, name }: Round,
  primitive: ProvePrimitive,
  run: () => Promise<T>,
  seen: (answer: T) => string,
): Promise<T | undefined> {
  record.step(`${name}: ${primitive}`);
  const startedAtMs = Date.now();
  try {
    const answer = await run();
    record.rows([{ primitive, outcome: 'held', detail: seen(answer), ms: Date.now() - startedAtMs }]);
    return answer;
  } catch (error) {
    const { message } = word(error, primitive);
    record.rows([{ primitive, outcome: 'refused', detail: message, ms: Date.now() - startedAtMs }]);
    return undefined;
  }
}

/** Makes the round's VM, as a start does, without a row of its own; undefined, with all rows skipped, if it can't. */
export async function prepare<T>(round: Round, run: () => Promise<T>): Promise<T | undefined> {
  const { proof, name } = round;
  try {
    return await run();
  } catch (error) {
    const { message } = word(error, proof.record.status().step);
    proof.record.skip(primitivesOf(name), `its VM could not be made: ${message}`);
    return undefined;
  }
}

/** Why the host refused. Throws on what is no word of it. */
function word(error: unknown, step: string): Reason {
  if (cancelled(error)) throw error;
  const reason = reasonOf(error, step);
  if (AWAY.has(reason.type)) throw error;
  return reason;
}

/** What the steps that touch the target are told. Undoing is on the stack before the step runs. */
export async function publish(round: Round): Promise<TargetStepInput> {
  const { proof, sessionId, placement, undo } = round;
  const { input, source } = proof;
  undo.push({ name: 'drop the export', run: () => undoSteps(input.site).dropExport({ sessionId }) });
  const exported = await proveSteps(input.site).publish({
    ...{ sessionId, source, placement, network: 'disconnected', reserveFactor: RESERVE_FACTOR },
  });
  return { sessionId, target: input.target, placement, exported };
}

/** Answers the step that was mounted for. */
export async function mount(round: Round, step: TargetStepInput): Promise<TargetStepInput> {
  const { proof, sessionId, placement, undo } = round;
  const { site, target } = proof.input;
  const { host } = placement;
  const { datastore } = proof.ground;
  undo.push({ name: 'unmount the datastore', run: () => undoSteps(site).unmount(step) });
  undo.push({
    name: 'remove the VM, its files in production and its network',
    run: () => undoSteps(site).clearProve({ sessionId, target, host, datastore }),
  });
  await proveSteps(site).mount(step);
  return step;
}
