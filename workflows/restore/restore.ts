// Restores one VM to production storage, without running it on the way. The Workflow Id is the session's id.
//
//   preflight → (verify) → publish → mount → claim the folder → copy each disk → write the files → register
//   → (power on) → hand over → unmount → drop the export → (the guest's heartbeat)
//
// Registered and read back, it is a VM of production that nobody takes away again: one that does not power on stays,
// powered off, and the restore says why.
import {
  MIN_RESERVE_FACTOR,
  type RestoreInput,
  restoreInputSchema,
  type StopResult,
} from '../../contract/index.ts';
import { parseInput } from '../parse-input.ts';
import { restoreWeights } from '../progress.ts';
import type { Session } from '../session.ts';
import { sessionRecord } from '../session-record.ts';
import { bringBack } from './bring-back.ts';
import { handOverRestored } from './restore-end.ts';
import { runRestore } from './restore-run.ts';
import { restoreStatus } from './restore-status.ts';

export async function restore(argument: RestoreInput): Promise<StopResult> {
  const input = parseInput(restoreInputSchema, argument);
  const session = openSession(input);
  return runRestore(session, input, {
    copyStep: 'copyRestoreDisk',
    bringBack: (copying, undo) => bringBack(session, input, copying, undo),
    handOver: (restored) => handOverRestored(session, restored),
  });
}

/** The steps that it shares with a start take it for one. */
function openSession(input: RestoreInput): Session {
  const { datastore, ...start } = input;
  const session = { ...start, reserveFactor: MIN_RESERVE_FACTOR };
  const record = sessionRecord(session, undefined, restoreWeights(input));
  record.update({ step: 'restorePreflight', restore: restoreStatus({ datastore }) });
  return { input: session, record };
}
