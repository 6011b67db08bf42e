// The frame of every step: it heartbeats, so that a dead worker is noticed and a cancel arrives; it hands on the
// cancellation as an AbortSignal; and it turns errors into failures. The body does the work and nothing else.
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { REPORT_SIGNAL, type SealedSecret, type SecretBinding } from '../contract/index.ts';
import type { SiteKey } from '../secrets/index.ts';
import { failureOf } from './failures.ts';
import { secretOwner } from './secret-owner.ts';

/** Of the heartbeat time-out that the Workflow asked for: a few may be lost. */
const HEARTBEAT_SHARE = 1 / 5;
const DEFAULT_HEARTBEAT_TIMEOUT_MS = 15_000;

export interface Step {
  /** Aborts when the Workflow cancels the step, or gave up waiting for it. */
  readonly signal: AbortSignal;
  readonly workflowId: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** What an earlier attempt left for this one; not checked. */
  readonly leftByEarlier: unknown;
  /** Leaves something for a later attempt. */
  leave(state: unknown): void;
  /** Tells the Workflow; each call is an event of its history, so: rarely. */
  report(report: object): Promise<void>;
  /** Asks Temporal, until the step is cancelled. */
  withTemporal<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** Opens a secret that was sealed for this Workflow, or for its drill; throws SecretsError SecretRejected. */
  open(key: SiteKey, sealed: SealedSecret, purpose: SecretBinding['purpose'], subject: string): string;
}

export async function runStep<T>(body: (step: Step) => Promise<T>): Promise<T> {
  const context = Context.current();
  const { workflowExecution, attempt, activityType } = context.info;
  const heartbeatDetails: unknown = context.info.heartbeatDetails;
  const timeoutMs = context.info.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_TIMEOUT_MS;
  if (workflowExecution === undefined) {
    throw ApplicationFailure.nonRetryable('a step runs in a Workflow', 'InvalidInput');
  }
  const { workflowId, runId } = workflowExecution;
  let left: unknown = heartbeatDetails;
  const beat = setInterval(() => context.heartbeat(left), timeoutMs * HEARTBEAT_SHARE);
  try {
    // Not without something to leave: the first thing that is left would wait behind it, for the worker's throttle.
    if (left !== undefined) context.heartbeat(left);
    return await body({
      signal: context.cancellationSignal,
      workflowId,
      attempt,
      leftByEarlier: heartbeatDetails,
      leave: (state) => {
        left = state;
        context.heartbeat(left);
      },
      // To its own run: what has ended can have a successor under its id, a clean-up for one.
      report: (report) => context.client.workflow.getHandle(workflowId, runId).signal(REPORT_SIGNAL, report),
      withTemporal: (work) =>
        context.client.withAbortSignal(context.cancellationSignal, () => work(context.client)),
      open: (key, sealed, purpose, subject) =>
        new TextDecoder().decode(
          key.open(sealed, { workflowId: secretOwner(workflowId, activityType), purpose, subject }),
        ),
    });
  } catch (error) {
    if (context.cancellationSignal.aborted) throw new CancelledFailure('the step was cancelled');
    throw failureOf(error);
  } finally {
    clearInterval(beat);
  }
}
