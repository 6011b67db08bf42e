// How far a start, a restore or a finalize is, in per cent. A step's weight is roughly its share of the time that a
// person waits; the sum of the steps that were asked for is 100.
import type { StartInput } from '../contract/index.ts';

/** The steps of a piece of work, in their order, each with its share of the time that a person waits for it. */
export type Weights = Readonly<Record<string, number>>;

export function startWeights({
  verify,
  powerOn,
  changes,
}: Pick<StartInput, 'verify' | 'powerOn' | 'changes'>): Weights {
  return {
    preflight: 10,
    ...(verify === 'before' ? { verifyChain: 60 } : {}),
    publish: 15,
    mount: 15,
    ...(changes === undefined ? {} : { claimChangesFolder: 5 }),
    registerVm: 25,
    ...(changes === undefined ? {} : { redirectChanges: 15 }),
    ...(powerOn ? { powerOnVm: 35 } : {}),
  };
}

/** Copying is what takes its time; a verify before it reads as much, and writes nothing. */
export function restoreWeights({ verify, powerOn }: Pick<StartInput, 'verify' | 'powerOn'>): Weights {
  return {
    restorePreflight: 1,
    ...(verify === 'before' ? { verifyChain: 60 } : {}),
    publish: 1,
    mount: 1,
    claimRestoreFolder: 1,
    copyRestoreDisk: 90,
    writeVmFiles: 1,
    registerRestoredVm: 1,
    ...(powerOn ? { powerOnVm: 2 } : {}),
    handOver: 2,
  };
}

export function restoreDiskWeights({ verify }: Pick<StartInput, 'verify'>): Weights {
  return {
    restoreDiskPreflight: 1,
    ...(verify === 'before' ? { verifyChain: 60 } : {}),
    publish: 1,
    mount: 1,
    openDiskFolder: 1,
    copyDiskToVm: 92,
    attachRestoredDisk: 2,
    handOver: 2,
  };
}

/** Per cent when `step` is `fraction` (0 to 1) done and all before it are; a whole number. */
export function percentAt(weights: Weights, step: string, fraction: number): number {
  const steps = Object.keys(weights);
  const sumOf = (some: readonly string[]): number =>
    some.reduce((sum, each) => sum + (weights[each] ?? 0), 0);
  const before = sumOf(steps.slice(0, Math.max(0, steps.indexOf(step))));
  const clamped = Math.min(1, Math.max(0, fraction));
  return Math.floor((100 * (before + (weights[step] ?? 0) * clamped)) / sumOf(steps));
}

/** What is left of a finalize after the migration: clean-up. */
export const MIGRATED_PERCENT = 95;

/** Per cent of a finalize whose migration is at `percent`; a whole number. */
export function migrationPercent(percent: number): number {
  return Math.floor((MIGRATED_PERCENT * Math.min(100, Math.max(0, percent))) / 100);
}
