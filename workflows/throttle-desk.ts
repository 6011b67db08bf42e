// Where a copy to production is held back, paused and let go: an Update that is refused in words wherever a guest reads
// what is copied. What was asked for before the copy begins holds from its first READ on.
//
// A limit never outlives its copy: whatever ends that, it is lifted before anything else is done, and insisted on. A
// cancel lifts it at once: a target that waits for a READ can't give its copy up.
import { type ApplicationFailure, CancellationScope, defineUpdate, setHandler } from '@temporalio/workflow';
import {
  DEFAULT_STEP_TIMEOUT_MS,
  formatBytes,
  SessionMessage,
  type Throttle,
  type ThrottleRequest,
  type ThrottleResult,
  throttleRequestSchema,
} from '../contract/index.ts';
import { shortSteps, startSteps, undoSteps } from './activities-of.ts';
import { insist } from './compensation.ts';
import { rejection } from './desk.ts';
import { cancelled, failureFrom, reasonOf } from './failure.ts';
import type { Session } from './session.ts';
import { openTurns } from './turns.ts';
import { sayWaiting } from './undo-words.ts';

const throttleUpdate = defineUpdate<ThrottleResult, [ThrottleRequest]>(SessionMessage.throttle);

export interface ThrottleDesk {
  /** A copy is to come that may be held back, from its beginning where a rate was asked for. */
  expect(bytesPerSecond: number | undefined): void;
  /** Runs the copying; held back, it is let go before this ends, one way or the other. */
  copying<T>(body: () => Promise<T>): Promise<T>;
  /** No copy is to come any more, whether there was one or not. */
  forget(): void;
  /** Somebody has powered the VM on whose disks are being copied. */
  guestRuns(): void;
}

const FREE: Throttle = { bytesPerSecond: undefined, paused: false };
const isFree = ({ bytesPerSecond, paused }: Throttle): boolean => bytesPerSecond === undefined && !paused;

/**
 * Expects a copy from the beginning on; one that is asked about before anything else has happened is heard, too.
 * @param refusal says why there is no copy that may be held back; undefined where there is, or is to be, one.
 * @param bytesPerSecond is what the copy begins with.
 */
export function openThrottleDesk(
  session: Session,
  refusal: () => ApplicationFailure | undefined,
  bytesPerSecond?: number,
): ThrottleDesk {
  const { input, record } = session;
  const { sessionId } = input;
  let phase: 'expected' | 'copying' | 'over' = 'expected';
  let wanted = FREE;
  /** The gateway may hold something back. */
  let touched = false;
  /** Each in its turn, so that the gateway has the last one's word. */
  const alone = openTurns(1);

  const isOn = (): boolean => record.status().powerState === 'poweredOn';

  const check = (request: ThrottleRequest): void => {
    const parsed = throttleRequestSchema.safeParse(request);
    if (!parsed.success)
      throw rejection('InvalidInput', parsed.error.issues.map(({ message }) => message).join('; '));
    const refused = refusal();
    if (refused !== undefined) throw refused;
    if (phase === 'over') {
      throw rejection('NotRunning', `there is nothing left of the copying of ${sessionId} to be held back`);
    }
    if (phase === 'copying' && isOn()) {
      const why = 'somebody powered its VM on, whose guest reads what would be held back';
      throw rejection('NotSupported', `the copying of ${sessionId} can't be held back any more: ${why}`);
    }
  };

  const tell = (next: Throttle): void => {
    if (next.bytesPerSecond === wanted.bytesPerSecond && next.paused === wanted.paused) return;
    wanted = next;
    record.throttled(isFree(next) ? undefined : next);
    record.say(throttleWords(next));
  };

  const apply = async ({ bytesPerSecond, paused }: Throttle, steps: ReturnType<typeof shortSteps>) => {
    const limit = paused ? 0 : bytesPerSecond;
    if (limit === undefined && !touched) return;
    touched = true;
    if (limit === undefined) await steps.liftReadLimit({ sessionId });
    else await steps.limitReads({ sessionId, bytesPerSecond: limit });
  };

  /** One that failed may have been done all the same: what stands is asked for once more. */
  const hold = async (next: Throttle): Promise<void> => {
    const steps = shortSteps(input.site);
    try {
      await apply(next, steps);
    } catch (error) {
      if (cancelled(error)) throw error;
      await apply(wanted, steps).catch(() => {
        record.say(`${throttleWords(wanted)}, and the gateway may hold it otherwise: ask again`, 'warning');
      });
      throw failureFrom(reasonOf(error, 'holding the copying back'));
    }
  };

  const letGuestRun = async (): Promise<void> => {
    record.say('Somebody powered the VM on: its disks are not held back any more', 'warning');
    await lift();
  };

  const forget = (): void => {
    phase = 'over';
    if (!isFree(wanted)) record.throttled(undefined);
    wanted = FREE;
  };

  const lift = (): Promise<void> =>
    CancellationScope.nonCancellable(async () => {
      phase = 'over';
      if (touched) {
        await alone(async () => {
          if (touched) await insistOnLifting(session);
          touched = false;
        });
      }
      forget();
    });

  const expect = (rate: number | undefined): void => {
    phase = 'expected';
    wanted = FREE;
    tell({ bytesPerSecond: rate, paused: false });
  };

  expect(bytesPerSecond);
  setHandler(
    throttleUpdate,
    (request) =>
      CancellationScope.nonCancellable(() =>
        alone(async () => {
          // Another one may have been let in at once, or the copy have ended.
          check(request);
          const next = merged(wanted, request);
          if (phase === 'copying') await hold(next);
          tell(next);
          return { sessionId, throttle: next };
        }),
      ),
    { description: 'Hold the copying back, pause it or let it go on', validator: check },
  );

  return {
    expect,
    copying: async (body) => {
      let lifted: Promise<void> | undefined;
      const end = (): Promise<void> => (lifted ??= lift());
      CancellationScope.current().cancelRequested.catch(() => end());
      const steps = startSteps(input.site, input.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS);
      phase = 'copying';
      try {
        if (!isFree(wanted)) await (isOn() ? letGuestRun() : alone(() => apply(wanted, steps)));
        return await body();
      } finally {
        await end();
      }
    },
    forget,
    guestRuns: () => {
      if (phase === 'copying' && !isFree(wanted)) void letGuestRun();
    },
  };
}

const merged = (before: Throttle, { bytesPerSecond, paused }: ThrottleRequest): Throttle => ({
  bytesPerSecond: bytesPerSecond === undefined ? before.bytesPerSecond : (bytesPerSecond ?? undefined),
  paused: paused ?? before.paused,
});

function throttleWords({ bytesPerSecond, paused }: Throttle): string {
  const rate = bytesPerSecond === undefined ? undefined : `${formatBytes(bytesPerSecond)}/s`;
  if (paused) return `The copying is paused${rate === undefined ? '' : `; later it reads at most ${rate}`}`;
  return rate === undefined ? 'The copying is not held back any more' : `The copying reads at most ${rate}`;
}

async function insistOnLifting({ input, record }: Session): Promise<void> {
  const { sessionId } = input;
  const name = 'let the copying go on';
  const run = () => undoSteps(input.site).liftReadLimit({ sessionId });
  const left = await insist({ name, run }, { onWaiting: sayWaiting(record) });
  if (left !== undefined) record.say(`Could not ${name}: ${left.message}`, 'error');
}
