import { WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  NamespaceNotFoundError,
  RetryState,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { ClientError } from './client-error.ts';
import { explain } from './explain.ts';
import { hints } from './hints.ts';

const nonRetryable = RetryState.NON_RETRYABLE_FAILURE;
const workflowFailed = (cause: Error) =>
  new WorkflowFailedError('Workflow execution failed', cause, nonRetryable);
const application = (type: string, message: string, ...details: unknown[]) =>
  ApplicationFailure.nonRetryable(message, type, ...details);

describe('a failure at the site', () => {
  it('is found below all that Temporal wraps around it', () => {
    const failure = application('KeyRejected', 'the passphrase does not open set nightly');
    const activity = new ActivityFailure(
      'Activity task failed',
      'publish',
      '1',
      nonRetryable,
      'worker',
      failure,
    );
    expect(explain(workflowFailed(activity))).toEqual({
      type: 'KeyRejected',
      message: 'the passphrase does not open set nightly',
      hint: hints.KeyRejected,
      findings: [],
      exitCode: 1,
    });
  });

  it('is the innermost one of a known type', () => {
    const inner = application('NoPermission', 'the account may not register VMs');
    const outer = ApplicationFailure.create({ message: 'wrapped', type: 'Error', cause: inner });
    expect(explain(workflowFailed(outer))).toMatchObject({ type: 'NoPermission' });
    expect(explain(workflowFailed(application('Strange', 'what')))).toMatchObject({
      type: 'Strange',
      message: 'what',
    });
  });

  it.each([
    ['a list', (findings: unknown) => [findings]],
    ['an object that holds the list', (findings: unknown) => ['other', { findings }]],
  ])('brings its findings as %s', (_, wrap) => {
    const findings = [{ severity: 'error', code: 'NameTaken', message: 'taken' }];
    const failure = application('PreflightFailed', 'no', ...wrap(findings));
    expect(explain(workflowFailed(failure)).findings).toEqual(findings);
  });

  it('is told apart from an end from outside', () => {
    expect(explain(workflowFailed(new TerminatedFailure('by hand')))).toMatchObject({ type: 'Terminated' });
    expect(explain(workflowFailed(new CancelledFailure('cancelled')))).toMatchObject({ type: 'Cancelled' });
    const timeout = new TimeoutFailure('late', undefined, 'START_TO_CLOSE');
    expect(explain(workflowFailed(timeout))).toMatchObject({ type: 'TimedOut' });
  });
});

it('says what an Update was refused for', () => {
  const error = new WorkflowUpdateFailedError(
    'Update failed',
    application('AlreadyStopping', 'it is being stopped'),
  );
  expect(explain(error)).toMatchObject({
    type: 'AlreadyStopping',
    message: 'it is being stopped',
    hint: 'See how far it is with: rundirect watch --follow SESSION',
    exitCode: 1,
  });
  expect(explain(error, 'k3v9q2m4xa').hint).toBe(
    'See how far it is with: rundirect watch --follow k3v9q2m4xa',
  );
});

it('gives each kind of error of the client its exit code', () => {
  expect(explain(new ClientError('Usage', 'no')).exitCode).toBe(2);
  expect(explain(new ClientError('Interrupted', 'no')).exitCode).toBe(130);
  expect(explain(new ClientError('NoWorker', 'no', { hint: 'start it' }))).toMatchObject({
    exitCode: 1,
    hint: 'start it',
  });
});

it('names the way to search attributes that are missing', () => {
  const error = new Error('failed to start', {
    cause: new Error('Namespace default has no mapping defined for search attribute RunDirectVm'),
  });
  expect(explain(error)).toMatchObject({ type: 'TemporalMisconfigured' });
  expect(explain(error).hint).toContain('search-attribute create');
});

it.each([
  ['the client', new NamespaceNotFoundError('ghost')],
  ['the server', new Error('5 NOT_FOUND: Namespace ghost is not found.')],
])('names a namespace that is not there, whether told by %s', (_, error) => {
  const explanation = explain(new Error('asking', { cause: error }));
  expect(explanation).toMatchObject({
    type: 'TemporalMisconfigured',
    message: 'Temporal has no namespace ghost',
  });
});

it('shows the deepest reason of anything else, and of what is no error at all', () => {
  expect(explain(new Error('outer', { cause: new Error('inner') }))).toMatchObject({ message: 'inner' });
  expect(explain('text')).toMatchObject({ type: 'Unexpected', message: 'text' });
  const loop = new Error('loop');
  loop.cause = loop;
  expect(explain(loop)).toMatchObject({ message: 'loop' });
});
