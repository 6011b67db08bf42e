// Restores one disk of a VM to a VM that is there, on or off. The Workflow Id is the session's id.
//
//   preflight → (verify) → publish → mount → open the folder → copy the disk → attach it → unmount → drop the export
//
// Once the VM has the disk, it is production's, and nobody takes it away again.
import {
  MIN_RESERVE_FACTOR,
  type RestoreDiskInput,
  restoreDiskInputSchema,
  type StopResult,
} from '../../contract/index.ts';
import { parseInput } from '../parse-input.ts';
import { restoreDiskWeights } from '../progress.ts';
import type { Session } from '../session.ts';
import { sessionRecord } from '../session-record.ts';
import { bringDiskBack, handOverDisk } from './restore-disk-parts.ts';
import { runRestore } from './restore-run.ts';
import { restoreStatus } from './restore-status.ts';

export async function restoreDisk(argument: RestoreDiskInput): Promise<StopResult> {
  const input = parseInput(restoreDiskInputSchema, argument);
  const session = openSession(input);
  return runRestore(session, input, {
    copyStep: 'copyDiskToVm',
    bringBack: (copying, undo) => bringDiskBack(session, input, copying, undo),
    handOver: (restored) => handOverDisk(session, restored),
  });
}

/** The steps that it shares with a start take it for one. */
function openSession({ toVm, datastore, ...asked }: RestoreDiskInput): Session {
  const { sessionId, site, commandedAtMs, source, target, verify, stepTimeoutMs } = asked;
  const input = {
    ...{ sessionId, site, commandedAtMs, source, target, verify, stepTimeoutMs },
    placement: { network: 'disconnected' as const },
    powerOn: false,
    guestTimeoutMs: 0,
    reserveFactor: MIN_RESERVE_FACTOR,
  };
  const record = sessionRecord(input, undefined, restoreDiskWeights(input));
  const restore = restoreStatus({ datastore, toVm: { name: toVm, node: undefined } });
  record.update({ step: 'restoreDiskPreflight', restore });
  return { input, record };
}
