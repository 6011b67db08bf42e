// How far a start, or a finalize, is, in per cent. A step's weight is roughly its share of the time that a person
// waits; the sum of the steps that were asked for is 100.
import type { StartInput } from '../contract/index.ts';

const weights = {
  preflight: 10,
  verifyChain: 60,
  publish: 15,
  mount: 15,
  registerVm: 25,
  powerOnVm: 35,
} as const;
export type StartStep = keyof typeof weights;

function stepsOf(input: Pick<StartInput, 'verify' | 'powerOn'>): readonly StartStep[] {
  const all: readonly StartStep[] = [
    'preflight',
    'verifyChain',
    'publish',
    'mount',
    'registerVm',
    'powerOnVm',
  ];
  return all.filter(
    (step) =>
      (step !== 'verifyChain' || input.verify === 'before') && (step !== 'powerOnVm' || input.powerOn),
  );
}

/** Per cent when `step` is `fraction` (0 to 1) done and all before it are; a whole number. */
export function percentAt(
  input: Pick<StartInput, 'verify' | 'powerOn'>,
  step: StartStep,
  fraction: number,
): number {
  const steps = stepsOf(input);
  const total = steps.reduce((sum, each) => sum + weights[each], 0);
  const before = steps.slice(0, steps.indexOf(step)).reduce((sum, each) => sum + weights[each], 0);
  const clamped = Math.min(1, Math.max(0, fraction));
  return Math.floor((100 * (before + weights[step] * clamped)) / total);
}

/** What is left of a finalize after the migration: clean-up. */
export const MIGRATED_PERCENT = 95;

/** Per cent of a finalize whose migration is at `percent`; a whole number. */
export function migrationPercent(percent: number): number {
  return Math.floor((MIGRATED_PERCENT * Math.min(100, Math.max(0, percent))) / 100);
}
