// Where a stop is asked for and answered. The Update is refused in words when there is nothing to stop; else its
// caller waits here until everything of the session is gone, or learns why it is not. A stop that comes while
// the session is still starting ends the start, which undoes itself; the answer is then `cancelled`.

import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import {
  SessionMessage,
  type SessionState,
  type StopRequest,
  type StopResult,
  stopRequestSchema,
} from '../contract/index.ts';
import { failureFrom, type Reason } from './failure.ts';

const stopUpdate = defineUpdate<StopResult, [StopRequest]>(SessionMessage.stop);

type Answer = { readonly result: StopResult } | { readonly failure: Reason };

export interface StopDesk {
  /** The stop that waits for an answer. */
  pending(): StopRequest | undefined;
  /** Answers the stop that waits, if one does. */
  answer(answer: Answer): void;
}

/** @param onStop is called once for each stop that is let in. */
export function openStopDesk(
  session: { readonly sessionId: string; state(): SessionState },
  onStop: () => void,
): StopDesk {
  let waiting: { readonly request: StopRequest; answer: Answer | undefined } | undefined;

  const validate = (request: StopRequest): void => {
    const parsed = stopRequestSchema.safeParse(request);
    if (!parsed.success)
      throw rejection('InvalidInput', `stop takes a reason of up to 200 characters at most`);
    const state = session.state();
    if (waiting !== undefined || state === 'stopping') {
      throw rejection(
        'AlreadyStopping',
        `${session.sessionId} is already being stopped; watch it come to its end`,
      );
    }
    if (!['preflight', 'starting', 'running'].includes(state)) {
      throw rejection('NotRunning', `${session.sessionId} is ${state}: there is nothing to stop`);
    }
  };
  const handle = async (request: StopRequest): Promise<StopResult> => {
    const mine: NonNullable<typeof waiting> = { request, answer: undefined };
    waiting = mine;
    onStop();
    // A cancel of the Workflow must not take the answer from the caller.
    await CancellationScope.nonCancellable(() => condition(() => mine.answer !== undefined));
    if (mine.answer === undefined) throw rejection('NotRunning', `${session.sessionId} has ended`);
    if ('failure' in mine.answer) throw failureFrom(mine.answer.failure);
    return mine.answer.result;
  };
  setHandler(stopUpdate, handle, {
    validator: validate,
    description: 'Remove the VM and discard its changes',
  });

  return {
    pending: () => waiting?.request,
    answer: (answer) => {
      if (waiting !== undefined) waiting.answer = answer;
      waiting = undefined;
    },
  };
}

function rejection(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
