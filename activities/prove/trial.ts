// Tries primitives one after another and keeps a row for each. What the host, or the gateway, says against one is
// that one's row; the others are tried all the same, as far as they don't stand on it. That the target or the
// gateway is away says nothing about the host: it ends the step, and the round is begun anew.
//
// A cancel is heard between two primitives: a call that is under way is given its time, so that what clears up
// after it does not run beside it.
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { FailureType, ProvePrimitive, ProveRow } from '../../contract/index.ts';
import { GatewayError } from '../../gateway/index.ts';
import { VmFolderError } from '../../vm-folder/index.ts';
import { VsphereError } from '../../vsphere/index.ts';
import type { Step } from '../step.ts';

/** For one primitive. */
const LIMIT_MS = 120_000;

/** Of a failure that a step of sessions makes. */
const AWAY: ReadonlySet<string> = new Set<FailureType>(['TargetUnavailable', 'GatewayUnavailable']);

/** What was seen is not what was hoped for; the message is the row's. */
export class Unmet extends Error {
  override readonly name = 'Unmet';
}

export interface Trial {
  /** True when it held. `work` answers what it saw, in words. */
  attempt(primitive: ProvePrimitive, work: (signal: AbortSignal) => Promise<string>): Promise<boolean>;
  skip(primitive: ProvePrimitive, why: string): void;
  /** A row for each of these, in their order: those without one of their own were not come to. */
  rows(all: readonly ProvePrimitive[]): readonly ProveRow[];
}

export function trial(step: Pick<Step, 'signal'>): Trial {
  const rows = new Map<ProvePrimitive, ProveRow>();
  return {
    attempt: async (primitive, work) => {
      if (step.signal.aborted) throw new CancelledFailure('the proof was cancelled');
      const startedAtMs = performance.now();
      const limit = AbortSignal.timeout(LIMIT_MS);
      const keep = (outcome: 'held' | 'refused', detail: string): boolean => {
        rows.set(primitive, { primitive, outcome, detail, ms: Math.round(performance.now() - startedAtMs) });
        return outcome === 'held';
      };
      try {
        return keep('held', await work(limit));
      } catch (error) {
        if (limit.aborted) return keep('refused', `it did not come to an end within ${LIMIT_MS / 1_000} s`);
        if (!isWord(error)) throw error;
        return keep('refused', error.message);
      }
    },
    skip: (primitive, why) => {
      rows.set(primitive, { primitive, outcome: 'skipped', detail: why });
    },
    rows: (all) => {
      const refused = [...rows.values()].filter(({ outcome }) => outcome === 'refused');
      const why = `it stands on what was refused: ${refused.map(({ primitive }) => primitive).join(', ')}`;
      return all.map((primitive) => rows.get(primitive) ?? { primitive, outcome: 'skipped', detail: why });
    },
  };
}

/** Says something about the host; the rest is about the way to it, or a fault of ours. */
function isWord(error: unknown): error is Error {
  if (error instanceof VsphereError) return error.code !== 'TargetUnavailable';
  if (error instanceof GatewayError) return error.code !== 'GatewayUnavailable';
  if (error instanceof ApplicationFailure) return !AWAY.has(error.type ?? '');
  return error instanceof Unmet || error instanceof VmFolderError;
}
