// What is asked of a batch: stop, finalize, and calling a finalize off. Each goes to the sessions as if somebody had
// asked them one by one, so that they refuse and answer in their own words. Migrations take turns, with those of other
// batches and of single sessions: each session waits for its own.
import { condition, uuid4 } from '@temporalio/workflow';
import {
  type BatchAnswer,
  type BatchFinalizeRequest,
  type BatchOrder,
  type BatchStopRequest,
  type BatchVm,
  type FinalizeRequest,
  vmIsOver,
} from '../../contract/index.ts';
import { longSteps } from '../activities-of.ts';
import { type Reason, reasonOf } from '../failure.ts';
import { begins } from './batch-record.ts';
import { type Batch, notStarted } from './batch-sessions.ts';

/** How long a session's news of where it stands may take after its answer. */
const NEWS_LIMIT_MS = 3_000;

export interface BatchOrders {
  /** Ends when each of them is gone, or has said why it is not. */
  stop(request: BatchStopRequest): Promise<BatchAnswer>;
  /** Ends when each of them is in production, or has said why it is not. */
  finalize(request: BatchFinalizeRequest): Promise<BatchAnswer>;
  /** Those that wait for their turn lose it, and those under way go back. */
  cancelFinalize(): Promise<BatchAnswer>;
  /** Migrates one; says in its row what came of it. */
  migrate(sessionId: string, request: FinalizeRequest): Promise<void>;
}

export function openBatchOrders(batch: Batch): BatchOrders {
  const { input, record } = batch;
  const chosen = (only: readonly string[] | undefined): BatchVm[] =>
    record.status().vms.filter((vm) => (only?.includes(vm.sessionId) ?? true) && !vmIsOver(vm));
  /** Those that were asked, and those that were named: one that had ended before is told as it is, too. */
  const answer = (asked: readonly BatchVm[], only: readonly string[] = []): BatchAnswer => {
    const told = new Set([...asked.map(({ sessionId }) => sessionId), ...only]);
    const vms = record.status().vms.filter(({ sessionId }) => told.has(sessionId));
    return { batchId: input.batchId, vms };
  };

  const migrate: BatchOrders['migrate'] = async (sessionId, request) => {
    record.updateVm(sessionId, { migration: 'underWay', failure: undefined });
    await ask(batch, sessionId, { kind: 'finalize', request });
  };
  return {
    migrate,
    stop: async ({ reason, only }) => {
      const asked = chosen(only);
      const request = reason === undefined ? {} : { reason };
      record.say(`Stop: ${asked.map(({ vmName }) => vmName).join(', ')}`);
      await Promise.all(
        asked.map(async ({ sessionId, state, migration }) => {
          // Nothing is lost with a turn.
          if (migration === 'waiting') await ask(batch, sessionId, { kind: 'cancelFinalize' });
          if (state === 'waiting') notStarted(batch, sessionId, undefined);
          else await ask(batch, sessionId, { kind: 'stop', request });
        }),
      );
      return answer(asked, only);
    },
    finalize: async ({ request, only }) => {
      const asked = chosen(only);
      await Promise.all(
        asked.map(async (vm) => {
          if (begins(vm)) refuse(batch, vm, 'does not run yet: finalize it when it does');
          else if (vm.migration !== undefined) refuse(batch, vm, 'is being finalized already');
          else await migrate(vm.sessionId, request);
        }),
      );
      return answer(asked, only);
    },
    cancelFinalize: async () => {
      const asked = chosen(undefined).filter((vm) => vm.migration !== undefined || vm.state === 'finalizing');
      await Promise.all(asked.map(({ sessionId }) => ask(batch, sessionId, { kind: 'cancelFinalize' })));
      return answer(asked);
    },
  };
}

/** Asks one session, and keeps in its row what it refused or failed with. */
async function ask({ input, record }: Batch, sessionId: string, order: BatchOrder): Promise<void> {
  const { batchId, site } = input;
  try {
    const orderId = uuid4();
    await longSteps(site).askSession({ batchId, sessionId, orderId, order });
    // Its end is told a moment later; who asked for the end shall see it.
    if (order.kind !== 'cancelFinalize') await condition(() => vmIsOver(record.vm(sessionId)));
  } catch (error) {
    // Where it is now, it tells by a signal; one that goes on with something else goes on with that.
    await condition(() => !['finalizing', 'stopping'].includes(record.vm(sessionId).state), NEWS_LIMIT_MS);
    // Somebody else had asked for the end, and there it is.
    if (vmIsOver(record.vm(sessionId))) return;
    notDone({ input, record }, sessionId, order.kind, reasonOf(error, order.kind));
  }
}

function notDone({ record }: Batch, sessionId: string, what: BatchOrder['kind'], reason: Reason): void {
  const { type, message } = reason;
  const changes = what === 'finalize' ? { migration: undefined } : {};
  record.updateVm(sessionId, { ...changes, failure: { type, message } });
  record.say(`${record.vm(sessionId).vmName}: ${words[what]}: ${message}`, 'error');
}

const words = {
  stop: 'not stopped',
  finalize: 'not finalized',
  cancelFinalize: 'its finalize is not called off',
} as const;

function refuse({ record }: Batch, { sessionId, vmName }: BatchVm, why: string): void {
  record.updateVm(sessionId, { failure: { type: 'NotRunning', message: `${sessionId} ${why}` } });
  record.say(`${vmName}: not finalized: it ${why}`, 'warning');
}
