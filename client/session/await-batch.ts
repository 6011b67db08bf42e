// Waits at the terminal until a batch is where the command wanted it, and shows all on the way.
import { type BatchResult, type BatchStatus, type BatchVm, vmIsOver } from '../../contract/index.ts';
import type { Context } from '../context.ts';
import { ExitCode } from '../errors/exit-code.ts';
import { showBatchChange } from '../views/batch-view.ts';
import { awaitStatus, isSettled } from './await-session.ts';

const isBegun = ({ state }: BatchStatus): boolean => state === 'running' || state === 'ended';

/** Each one runs and its guest is up or given up, or it is over. */
export const isBatchSettled = (status: BatchStatus): boolean =>
  isBegun(status) && status.vms.every((vm) => vmIsOver(vm) || isSettled(vm));

/** Each one that was to be migrated has been, or runs on because it could not be. */
export const isBatchMigrated = (status: BatchStatus): boolean =>
  isBegun(status) &&
  status.vms.every(
    (vm) =>
      vmIsOver(vm) || (vm.state === 'running' && vm.migration === undefined && vm.failure !== undefined),
  );

/** What the shell is told: failed as soon as one of them is not where it was wanted. */
export const exitCodeOfBatch = (
  { vms }: Pick<BatchResult, 'vms'>,
  isWanted: (vm: BatchVm) => boolean,
): ExitCode => (vms.every(isWanted) ? ExitCode.ok : ExitCode.failed);

/** Shows the batch until `enough` says so, or it ends; see `awaitStatus`. */
export const awaitBatch = (
  context: Context,
  batchId: string,
  enough: (status: BatchStatus) => boolean,
): Promise<BatchStatus | undefined> =>
  awaitStatus<BatchStatus>(context, batchId, {
    enough,
    isOver: ({ state }) => state === 'ended' || state === 'failed',
    show: showBatchChange,
  });
