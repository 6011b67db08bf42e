// A session's turn to migrate, seen from its finalize: asked for when it is known where the VM goes, and given back when
// it is there, or is to go nowhere.
import type { FinalizePlan } from '../../contract/index.ts';
import { migrationSteps, undoSteps } from '../activities-of.ts';
import { sentence } from '../failure.ts';
import { take } from '../remove-traces.ts';
import { type RunningSession, runningVmStep, type Session } from '../session.ts';

export interface MigrationTurn {
  /** Returns when it has its turn. Answers whether it had to wait, so that what was seen before may not hold. */
  wait(running: RunningSession, plan: FinalizePlan): Promise<boolean>;
  /** It is the next one's. Not waited for, nor had, is done. */
  end(): Promise<void>;
}

/** Open it once for each finalize. */
export function migrationTurn(session: Session): MigrationTurn {
  const { input, record } = session;
  let isAsked = false;
  return {
    wait: async (running, plan) => {
      isAsked = true;
      record.update({ step: 'awaitTurn' });
      const step = { ...runningVmStep(session, running), plan };
      const { waited } = await migrationSteps(input.site).awaitTurn(step);
      if (waited) record.say('Its turn to be migrated has come');
      record.migration({ waitsFor: undefined });
      return waited;
    },
    end: async () => {
      record.migration({ waitsFor: undefined });
      if (!isAsked) return;
      isAsked = false;
      const { sessionId } = input;
      const kept = await take(session, 'end its turn', () =>
        undoSteps(input.site).releaseTurn({ sessionId }),
      );
      if (kept !== undefined) {
        record.say(
          `Its turn is not given back: ${sentence(kept.message)} It ends with the session`,
          'warning',
        );
      }
    },
  };
}
