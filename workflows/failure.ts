// What went wrong, as a Workflow sees it: Temporal wraps an Activity's failure in others, and a person wants
// the innermost one that says something.

import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  isCancellation,
  TimeoutFailure,
} from '@temporalio/workflow';
import { isFailureType, policyOf } from '../contract/index.ts';

export interface Reason {
  readonly type: string;
  readonly message: string;
  readonly details: readonly unknown[];
}

/** The reason behind any failure of a step. `step` names it where the failure itself cannot. */
export function reasonOf(error: unknown, step: string): Reason {
  if (isCancellation(error)) return { type: 'Cancelled', message: `${step} was cancelled`, details: [] };
  const isWrapped = error instanceof ActivityFailure || error instanceof ChildWorkflowFailure;
  const cause = isWrapped ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    return { type: cause.type ?? 'Unexpected', message: cause.message, details: cause.details ?? [] };
  }
  if (cause instanceof TimeoutFailure) return timeoutReason(cause, step);
  return { type: 'Unexpected', message: `${step} failed: ${textOf(cause)}`, details: [] };
}

/** A time-out says nothing of its own: the attempt before it may, else nobody took the step or it hangs. */
function timeoutReason(failure: TimeoutFailure, step: string): Reason {
  if (failure.cause instanceof ApplicationFailure) {
    return { type: failure.cause.type ?? 'Unexpected', message: failure.cause.message, details: [] };
  }
  const hint =
    'no worker of the site took it, or the worker hangs: see that `rundirect worker` runs at the site';
  return { type: 'SiteUnavailable', message: `${step} was not done in time: ${hint}`, details: [] };
}

/** Ends a Workflow or an Update with this reason. Workflows throw nothing but ApplicationFailure. */
export function failureFrom(reason: Reason): ApplicationFailure {
  return ApplicationFailure.create({
    type: reason.type,
    message: reason.message,
    nonRetryable: true,
    details: [...reason.details],
  });
}

/** False for what a person has to change first; unknown types may be retried. */
export function mayPass(reason: Reason): boolean {
  return !isFailureType(reason.type) || policyOf(reason.type).retryable;
}

export function cancelled(error: unknown): boolean {
  return isCancellation(error);
}

/** A failure's words as a sentence, to be followed by another one. */
export const sentence = (message: string): string => {
  const words = message.trimEnd();
  return /[?!]$/.test(words) ? words : `${words.replace(/\.+$/, '')}.`;
};

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Lets a Workflow of one step end with the step's own failure; a cancellation stays one. */
export function endWith(step: string): (error: unknown) => never {
  return (error) => {
    throw cancelled(error) ? error : failureFrom(reasonOf(error, step));
  };
}
