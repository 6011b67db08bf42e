// `rundirect stop` and `rundirect finalize` of a batch: asked of all its sessions, or of some, and answered with what
// became of each. Giving the command again goes on with those that are left.
import type { WorkflowHandle } from '@temporalio/client';
import {
  type BatchAnswer,
  type BatchFinalizeRequest,
  BatchMessage,
  type BatchResult,
  type BatchStatus,
  type BatchStopRequest,
  type BatchVm,
  type FinalizeRequest,
  vmIsOver,
} from '../../contract/index.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import type { ExitCode } from '../errors/exit-code.ts';
import { askSession } from '../session/ask-session.ts';
import { exitCodeOfBatch } from '../session/await-batch.ts';
import { batchTable, showBatchChange } from '../views/batch-view.ts';
import { logLine } from '../views/session-view.ts';

/** Of a batch: which of its sessions. */
export interface OnlyOption {
  readonly only?: string[];
}
const onlyOf = ({ only }: OnlyOption): OnlyOption => (only === undefined ? {} : { only });

/** Throws ClientError Usage where it was said of a session. */
export function refuseOnly({ only }: OnlyOption): void {
  if (only !== undefined)
    throw new ClientError('Usage', '--only chooses sessions of a batch, and this is a session');
}

/** Of one that has ended there is nothing to stop: says what became of each. */
export async function stopBatch(
  context: Context,
  handle: WorkflowHandle,
  hasEnded: boolean,
  options: OnlyOption & { readonly reason?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const { reason } = options;
  const request: BatchStopRequest = { ...(reason === undefined ? {} : { reason }), ...onlyOf(options) };
  const answer = hasEnded
    ? ((await handle.result()) as BatchResult)
    : await askSession<BatchAnswer, BatchStatus>(context, handle.workflowId, {
        what: 'stop',
        ask: (batch) =>
          batch.executeUpdate<BatchAnswer, [BatchStopRequest]>(BatchMessage.stop, { args: [request] }),
        onStatus: (_, newEntries) => {
          for (const entry of newEntries) terminal.print(logLine(entry, terminal));
        },
      });
  terminal.document(answer);
  tell(context, answer);
  return exitCodeOfBatch(answer, vmIsOver);
}

interface FinalizeOptions extends OnlyOption {
  readonly detach?: boolean;
  readonly name?: string;
}

export async function finalizeBatch(
  context: Context,
  batchId: string,
  request: FinalizeRequest,
  options: FinalizeOptions,
): Promise<ExitCode | undefined> {
  const { terminal } = context;
  if (request.name !== undefined) {
    throw new ClientError(
      'Usage',
      '--name would give all VMs of the batch one name: finalize its sessions one by one',
    );
  }
  const args: [BatchFinalizeRequest] = [{ request, ...onlyOf(options) }];
  if (options.detach === true) {
    await askSession(context, batchId, {
      what: 'finalize',
      ask: (batch) =>
        batch.startUpdate<BatchAnswer, [BatchFinalizeRequest]>(BatchMessage.finalize, {
          args,
          waitForStage: 'ACCEPTED',
        }),
    });
    terminal.document({ event: 'result', batchId, state: 'finalizing' });
    terminal.print(`Batch ${batchId} is being finalized. Watch it with: rundirect watch --follow ${batchId}`);
    return undefined;
  }
  const answer = await askSession<BatchAnswer, BatchStatus>(context, batchId, {
    what: 'finalize',
    ask: (batch) => batch.executeUpdate<BatchAnswer, [BatchFinalizeRequest]>(BatchMessage.finalize, { args }),
    onStatus: (status, newEntries) => showBatchChange(terminal, status, newEntries),
  });
  return told(context, answer, ({ state }) => state === 'finalized');
}

/** Calls it off for those that have not arrived. */
export async function cancelFinalizeOfBatch(context: Context, batchId: string): Promise<ExitCode> {
  const answer = await askSession<BatchAnswer, BatchStatus>(context, batchId, {
    what: 'cancel',
    ask: (batch) => batch.executeUpdate<BatchAnswer, []>(BatchMessage.cancelFinalize),
    onStatus: (status, newEntries) => showBatchChange(context.terminal, status, newEntries),
  });
  return told(context, answer, ({ state }) => state === 'running' || state === 'finalized');
}

function told(context: Context, answer: BatchAnswer, isWanted: (vm: BatchVm) => boolean): ExitCode {
  context.terminal.document({ event: 'result', ...answer });
  tell(context, answer);
  return exitCodeOfBatch(answer, isWanted);
}

function tell({ terminal }: Context, { vms }: BatchAnswer): void {
  terminal.print('');
  terminal.print(vms.length === 0 ? 'There was nothing left to be done.' : batchTable(vms));
}
