// Where a finalize is asked for, answered and cancelled. A cancel ends what can still be ended; its caller learns
// where that left the VM: here, or in production because the migration was done already.
import {
  type ApplicationFailure,
  CancellationScope,
  condition,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import {
  type CancelFinalizeResult,
  type FinalizeRequest,
  type FinalizeResult,
  finalizeRequestSchema,
  SessionMessage,
  type SessionState,
} from '../../contract/index.ts';
import { type Desk, openDesk, rejection } from '../desk.ts';
import { keepingRefusal } from '../keep-desk.ts';
import type { ThrottleDesk } from '../throttle-desk.ts';

const finalizeUpdate = defineUpdate<FinalizeResult, [FinalizeRequest]>(SessionMessage.finalize);
const cancelUpdate = defineUpdate<CancelFinalizeResult>(SessionMessage.cancelFinalize);

export interface FinalizeDesk extends Desk<FinalizeRequest, FinalizeResult> {
  /** Runs the part of a finalize that a cancel may end. */
  cancellable<T>(body: () => Promise<T>): Promise<T>;
}

/** What a finalize on its way has to do with people: they may cancel it, and hold its copying back. */
export interface FinalizeMeans extends Pick<FinalizeDesk, 'cancellable'> {
  readonly throttle: Pick<ThrottleDesk, 'expect' | 'copying' | 'forget'>;
}

interface SessionView {
  readonly sessionId: string;
  readonly state: () => SessionState;
  readonly keeping: () => boolean;
  /** Somebody waits for a stop. */
  readonly stopAsked: () => boolean;
  /** What is written in a drill's own network is not worth keeping. */
  readonly isDrill: boolean;
}

export function openFinalizeDesk(session: SessionView): FinalizeDesk {
  const desk = openDesk(finalizeUpdate, {
    description: 'Migrate the VM to a permanent place',
    refuse: (request, waiting) => refusal(session, request, waiting),
  });
  let scope: CancellationScope | undefined;
  /** Finalizes that came to their end, one way or the other. */
  let ended = 0;
  setHandler(
    cancelUpdate,
    async (): Promise<CancelFinalizeResult> => {
      const { sessionId, state } = session;
      const before = ended;
      scope?.cancel();
      await CancellationScope.nonCancellable(() => condition(() => ended > before));
      return { sessionId, state: state() === 'finalized' ? 'finalized' : 'running' };
    },
    {
      description: 'Go on from the gateway as before',
      validator: () => {
        const refused = cancelRefusal(session, scope !== undefined);
        if (refused !== undefined) throw refused;
      },
    },
  );
  return {
    pending: () => desk.pending(),
    answer: (answer) => {
      ended += 1;
      desk.answer(answer);
    },
    cancellable: async (body) => {
      scope = new CancellationScope({ cancellable: true });
      try {
        return await scope.run(body);
      } finally {
        scope = undefined;
      }
    },
  };
}

function refusal(
  { sessionId, state, keeping, stopAsked, isDrill }: SessionView,
  request: FinalizeRequest,
  waiting: boolean,
): ApplicationFailure | undefined {
  const parsed = finalizeRequestSchema.safeParse(request);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    return rejection('InvalidInput', issues.join('; '));
  }
  if (isDrill) {
    return rejection(
      'NotSupported',
      `${sessionId} is a drill's: it is discarded, and never taken to production`,
    );
  }
  const now = state();
  if (waiting || now === 'finalizing') {
    return rejection(
      'AlreadyFinalizing',
      `${sessionId} is being finalized already; watch it come to its end`,
    );
  }
  if (stopAsked() || now === 'stopping') {
    return rejection('AlreadyStopping', `${sessionId} is being stopped: there will be nothing to finalize`);
  }
  if (now === 'preflight' || now === 'starting') {
    return rejection('NotRunning', `${sessionId} does not run yet: finalize it when it does`);
  }
  if (now !== 'running') {
    return rejection('NotRunning', `${sessionId} is ${now}: there is nothing to finalize`);
  }
  return keeping() ? keepingRefusal(sessionId) : undefined;
}

function cancelRefusal(
  { sessionId, state }: SessionView,
  cancellable: boolean,
): ApplicationFailure | undefined {
  if (state() !== 'finalizing') {
    return rejection('NotFinalizing', `${sessionId} is ${state()}: no finalize is under way`);
  }
  if (cancellable) return undefined;
  return rejection(
    'NotFinalizing',
    `${sessionId} can't go back: its VM is on production storage, or is being looked for; only clean-up is left`,
  );
}
