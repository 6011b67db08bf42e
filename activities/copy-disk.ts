// Copies one disk at the target, with all that it stands on, into a flat one: CopyVirtualDisk_Task. The work is the
// target's, so a worker that dies or shuts down leaves it running, and the next attempt goes on with the same task;
// a Workflow's cancel ends it there. Where the task is not known any more, what it left is deleted and copied anew:
// so the destination's folder must be the caller's own.
//
// A host makes a preallocated busLogic disk unless told otherwise, and always is; a vCenter knows no such wish, and
// the adapter is set right in the copy's descriptor afterwards. The copy is read back: a disk of its own, of the
// source's size.
import { CancelledFailure } from '@temporalio/common';
import { adapterTypeOf, parseDescriptor, type VmdkDescriptor, withAdapterType } from '../vm-folder/index.ts';
import {
  type CopyVirtualDiskSpec,
  type Vsphere,
  VsphereError,
  type VsphereErrorCode,
} from '../vsphere/index.ts';
import { failureFor, failureTypeOf, nonRetryable } from './failures.ts';
import type { Step } from './step.ts';

/** Paths are `[datastore] folder/name.vmdk`. */
export interface DiskCopy {
  /** The layer whose view of the disk is copied. */
  readonly source: string;
  /** The lowest layer below `source`, whose descriptor names the disk's adapter; itself where it stands on none. */
  readonly base: string;
  readonly destination: string;
  readonly sizeBytes: number;
  /** Of the copy, as a descriptor calls it; the base's own when absent. */
  readonly adapterType?: string;
}

export interface CopyListener {
  /** The target's task, as soon as it is known: `endCopy` takes it. */
  readonly onTask?: (task: string) => void;
  /** Of the disk's provisioned size, reckoned from whole per cent. */
  readonly onCopied?: (copiedBytes: number) => void;
}

type CopyStep = Pick<Step, 'signal' | 'attempt' | 'leave' | 'leftByEarlier'>;

/**
 * Answers when the copy is whole. What the target refuses is final (its failure's type); a target that is away, or
 * that still holds the destination for an earlier attempt, is tried again.
 */
export async function copyDisk(
  vsphere: Vsphere,
  disk: DiskCopy,
  step: CopyStep,
  hear: CopyListener = {},
): Promise<void> {
  const source = await readDescriptor(vsphere, disk.base, step);
  const adapterType = disk.adapterType ?? adapterTypeOf(source);
  try {
    const isDone = await followEarlier(vsphere, disk, step, hear);
    if (!isDone) await copy(vsphere, disk, adapterType, step, hear);
  } catch (error) {
    throw finalUnlessAway(error, disk, step);
  }
  await setRight(vsphere, disk, adapterType, step);
}

/** Asks the target to give up a copy, and waits until its task has ended, one way or the other. */
export async function endCopy(
  vsphere: Vsphere,
  task: string,
  { signal }: Pick<Step, 'signal'>,
): Promise<void> {
  await vsphere.cancelTask(task, { signal });
  try {
    await vsphere.attachTask(task, { signal });
  } catch (error) {
    const isOver = error instanceof VsphereError && error.code !== 'TargetUnavailable';
    if (!isOver || signal.aborted) throw error;
  }
}

/**
 * Of a task that an earlier attempt began: it is forgotten, or has ended for what passes, an even earlier copy to the same
 * place above all. It ends no other way however often it is looked at, so a copy is begun anew.
 */
const BEGUN_ANEW: ReadonlySet<VsphereErrorCode> = new Set([
  'NotFound',
  'AlreadyExists',
  'TaskInProgress',
  'ResourceInUse',
]);

/** False where no task is known that an earlier attempt began, or where it is to be begun anew. */
async function followEarlier(
  vsphere: Vsphere,
  disk: DiskCopy,
  step: CopyStep,
  hear: CopyListener,
): Promise<boolean> {
  const task = taskLeft(step.leftByEarlier, disk.destination);
  if (task === undefined) return false;
  step.leave(step.leftByEarlier);
  // The earlier attempt may have died before it had told it.
  hear.onTask?.(task);
  try {
    await untilCancelled(vsphere, task, step, () =>
      vsphere.attachTask(task, { signal: step.signal, onProgress: toBytes(disk, hear) }),
    );
    return true;
  } catch (error) {
    if (error instanceof VsphereError && BEGUN_ANEW.has(error.code)) return false;
    throw error;
  }
}

async function copy(
  vsphere: Vsphere,
  disk: DiskCopy,
  adapterType: string,
  step: CopyStep,
  hear: CopyListener,
): Promise<void> {
  const { source, destination } = disk;
  const { signal } = step;
  if (step.attempt > 1) await vsphere.deleteVirtualDisk(destination, { signal });
  let begun: string | undefined;
  const onTask = (task: string): void => {
    begun = task;
    step.leave({ destination, task } satisfies Left);
    hear.onTask?.(task);
  };
  const spec = vsphere.isVirtualCenter ? {} : { spec: specFor(adapterType) };
  const options = { signal, onTask, onProgress: toBytes(disk, hear) };
  await untilCancelled(
    vsphere,
    () => begun,
    step,
    () => vsphere.copyVirtualDisk({ source, destination, ...spec }, options),
  );
}

/** What stops waiting because the Workflow wants no copy any more ends the target's work; a shutdown does not. */
async function untilCancelled(
  vsphere: Vsphere,
  task: string | (() => string | undefined),
  { signal }: CopyStep,
  wait: () => Promise<void>,
): Promise<void> {
  try {
    await wait();
  } catch (error) {
    const begun = typeof task === 'string' ? task : task();
    if (signal.aborted && begun !== undefined && isUnwanted(signal)) await vsphere.cancelTask(begun);
    throw error;
  }
}

/** The only cancellations that mean the work itself, and not this worker's part in it. */
const UNWANTED: ReadonlySet<string> = new Set(['CANCELLED', 'NOT_FOUND']);
const isUnwanted = ({ reason }: AbortSignal): boolean =>
  reason instanceof CancelledFailure && UNWANTED.has(reason.message);

interface Left {
  readonly destination: string;
  readonly task: string;
}

function taskLeft(left: unknown, destination: string): string | undefined {
  if (typeof left !== 'object' || left === null) return undefined;
  const { task, destination: of } = left as Partial<Left>;
  return of === destination && typeof task === 'string' ? task : undefined;
}

function toBytes({ sizeBytes }: DiskCopy, { onCopied }: CopyListener): (percent: number) => void {
  return (percent) => onCopied?.(Math.floor((percent / 100) * sizeBytes));
}

/** vim25 knows three adapters here; other disks are laid out as lsiLogic's. */
function specFor(adapterType: string): NonNullable<CopyVirtualDiskSpec['spec']> {
  const known = { ide: 'ide', buslogic: 'busLogic' } as const;
  const named = adapterType === 'ide' || adapterType === 'buslogic' ? known[adapterType] : 'lsiLogic';
  return { diskType: 'thin', adapterType: named };
}

async function setRight(
  vsphere: Vsphere,
  { destination, sizeBytes }: DiskCopy,
  adapterType: string,
  step: CopyStep,
): Promise<void> {
  const copied = await readDescriptor(vsphere, destination, step);
  if (copied.hasParent || copied.sizeBytes !== sizeBytes) {
    throw failureFor(
      'MigrationFailed',
      `The target says that ${destination} is copied, and it is no disk of its own of ${sizeBytes} bytes ` +
        `(${copied.sizeBytes} bytes${copied.hasParent ? ', with a parent' : ''})`,
    );
  }
  if (adapterTypeOf(copied) === adapterType) return;
  const text = withAdapterType(copied, adapterType);
  await vsphere.uploadFile(destination, Buffer.from(text), { signal: step.signal });
}

async function readDescriptor(vsphere: Vsphere, path: string, { signal }: CopyStep): Promise<VmdkDescriptor> {
  return parseDescriptor(await vsphere.downloadFile(path, { signal }), path);
}

function finalUnlessAway(error: unknown, { destination }: DiskCopy, { attempt, signal }: CopyStep): unknown {
  if (!(error instanceof VsphereError) || signal.aborted) return error;
  const passes = new Set(['TargetUnavailable', 'TaskInProgress', 'ResourceInUse']);
  if (passes.has(error.code)) return error;
  // An earlier attempt's copy, whose task nobody knows, is not at its end yet.
  if (error.code === 'AlreadyExists' && attempt > 1) return failureFor('TaskInProgress', error.message);
  if (error.code === 'Cancelled') {
    return nonRetryable('MigrationFailed', `somebody cancelled the copy to ${destination} at the target`);
  }
  const type = failureTypeOf(error);
  return nonRetryable(type === 'Unexpected' ? 'MigrationFailed' : type, error.message);
}
