// What can be lost in the middle of a finalize, and comes back: a process of the house, or the line to the target.
import { setTimeout as delay } from 'node:timers/promises';
import type { House } from '../../demo/house.ts';
import { openTargetLine, type TargetLine } from './target-line.ts';

export const MISHAPS = ['worker', 'gateway', 'Temporal', 'line to the target'] as const;
export type Mishap = (typeof MISHAPS)[number];

/** How long the line is cut: some retries of a step long. */
const LINE_CUT_MS = 3_000;

export interface Mishaps extends AsyncDisposable {
  /** Flags of a `start` whose session reaches the target by the line that can be cut. */
  readonly flags: readonly string[];
  /** Returns when what was lost is back. */
  strike(what: Mishap): Promise<void>;
}

export async function openMishaps({ stack }: House): Promise<Mishaps> {
  const line = await openTargetLine(stack.lab.ready);
  return {
    flags: ['--target', line.address],
    strike: (what) => (what === 'line to the target' ? cutLine(line) : killAndStart(stack, what)),
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  };
}

async function killAndStart(
  { site, temporal }: House['stack'],
  what: Exclude<Mishap, 'line to the target'>,
): Promise<void> {
  const lost = { worker: site.worker, gateway: site.gateway, Temporal: temporal }[what];
  await lost.kill('SIGKILL');
  await lost.start();
}

async function cutLine(line: TargetLine): Promise<void> {
  line.cut();
  await delay(LINE_CUT_MS);
  line.mend();
}
