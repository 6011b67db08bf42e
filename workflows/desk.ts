// Where one thing is asked of a session by an Update, and answered: refused in words when it can't be done now;
// else its caller waits until the session has done it, or learns why it has not.
import type { UpdateDefinition } from '@temporalio/common';
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import { failureFrom, type Reason } from './failure.ts';

export type Answer<Result> = { readonly result: Result } | { readonly failure: Reason };

export interface Desk<Request, Result> {
  /** What waits for an answer. */
  pending(): Request | undefined;
  /** Answers who waits, if somebody does. */
  answer(answer: Answer<Result>): void;
}

export interface DeskOptions<Request> {
  readonly description: string;
  /** Why it can't be done now. `waiting` says that somebody has asked for it already. */
  readonly refuse: (request: Request, waiting: boolean) => ApplicationFailure | undefined;
  /** Called once for each request that is let in. */
  readonly onRequest?: () => void;
}

export function openDesk<Request, Result>(
  update: UpdateDefinition<Result, [Request]>,
  { description, refuse, onRequest }: DeskOptions<Request>,
): Desk<Request, Result> {
  let waiting: { readonly request: Request; answer: Answer<Result> | undefined } | undefined;
  const check = (request: Request): void => {
    const refusal = refuse(request, waiting !== undefined);
    if (refusal !== undefined) throw refusal;
  };
  const handle = async (request: Request): Promise<Result> => {
    // Two that arrive at once may both have been let in.
    check(request);
    const mine: NonNullable<typeof waiting> = { request, answer: undefined };
    waiting = mine;
    onRequest?.();
    // A cancel of the Workflow must not take the answer from the caller.
    await CancellationScope.nonCancellable(() => condition(() => mine.answer !== undefined));
    if (mine.answer === undefined) throw rejection('NotRunning', 'the session has ended');
    if ('failure' in mine.answer) throw failureFrom(mine.answer.failure);
    return mine.answer.result;
  };
  setHandler(update, handle, { validator: check, description });
  return {
    pending: () => waiting?.request,
    answer: (answer) => {
      if (waiting !== undefined) waiting.answer = answer;
      waiting = undefined;
    },
  };
}

/** What can be asked of a session that runs, and not of this Workflow, is answered in words, too. */
export function refuseUpdates(names: readonly string[], message: string): void {
  const refuse = (): never => {
    throw rejection('NotSupported', message);
  };
  for (const name of names) setHandler(defineUpdate<never>(name), refuse, { validator: refuse });
}

export function rejection(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
