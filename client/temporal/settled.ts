// What a session may have left in production that a clean-up does not touch, because it does not know what of it is
// wanted: a person looks there first, and says so.
import { type Orphan, proveOfSession, WorkflowType } from '../../contract/index.ts';
import { ClientError } from '../errors/client-error.ts';

/** Undefined where all that it may have left is the session's own. */
function inProduction({ sessionId, workflowType, state, fenced }: Orphan): string | undefined {
  // What Temporal has lost, the gateway's fence still tells.
  if (state === 'finalizing' || fenced) {
    return (
      `it was being finalized: see what of its VM has come to production, delete the folder there in which ` +
      `rundirect-${sessionId}.finalize lies, and rename the original back where it was set aside`
    );
  }
  if (workflowType === WorkflowType.restore) {
    return `it is a restore: finish, or delete, what it copied to the folder in which rundirect-${sessionId}.restore lies`;
  }
  if (workflowType === WorkflowType.restoreDisk) {
    return `it is the restore of a disk: take the disk off its VM, and delete the file, whose name ends with ${sessionId}.vmdk`;
  }
  if (proveOfSession(sessionId) !== undefined) {
    return `it is a proof's: delete the VMs, folders and networks whose names begin with rundirect-${sessionId}`;
  }
  return undefined;
}

/** Throws ClientError NotSettled. */
export function requireSettled(orphan: Orphan, settled: boolean): void {
  const left = inProduction(orphan);
  if (left === undefined || settled) return;
  throw new ClientError(
    'NotSettled',
    `${orphan.sessionId} may have left something in production. Nothing was touched: ${left}`,
    { hint: `Then remove the rest with: rundirect clean-up ${orphan.sessionId} --settled` },
  );
}
