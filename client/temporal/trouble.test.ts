// What is told of a step that Temporal knows: that nobody takes it, that it failed, and nothing once it is at work again.
import proto from '@temporalio/proto';
import { expect, it } from 'vitest';
import { troubleOf } from './trouble.ts';

const { PENDING_ACTIVITY_STATE_SCHEDULED: WAITING, PENDING_ACTIVITY_STATE_STARTED: STARTED } =
  proto.temporal.api.enums.v1.PendingActivityState;
const { PendingActivityInfo } = proto.temporal.api.workflow.v1;

const ago = (ms: number) => ({ seconds: Math.floor((Date.now() - ms) / 1_000) });
const watching = (rest: object) =>
  PendingActivityInfo.fromObject({ activityType: { name: 'watchVm' }, ...rest });
const lastFailure = { message: 'Worker is shutting down' };
const failed = 'watchVm failed and is tried again: Worker is shutting down';

it.each([
  ['that waits', { state: WAITING, scheduledTime: ago(1_000) }, undefined],
  ['that waits to be tried again', { state: WAITING, scheduledTime: ago(1_000), lastFailure }, failed],
  ['that was begun again just now', { state: STARTED, lastStartedTime: ago(2_000), lastFailure }, failed],
  ['that is at work again', { state: STARTED, lastStartedTime: ago(60_000), lastFailure }, undefined],
  ['that is at work', { state: STARTED, lastStartedTime: ago(60_000) }, undefined],
])('tells of a step %s what hinders it', (_, activity, trouble) => {
  expect(troubleOf(watching(activity))).toBe(trouble);
});

it('says where to start a worker when nobody takes a step', () => {
  const activity = { state: WAITING, scheduledTime: ago(60_000), lastFailure };
  expect(troubleOf(watching(activity))).toContain('no worker of site NAME takes up watchVm');
});
