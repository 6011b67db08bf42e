// Why the copying of a session, or of a restore, can't be held back now. Only a copy whose source no guest reads can
// be: where one does, it would be the guest that is slowed.
import type { ApplicationFailure } from '@temporalio/workflow';
import type { FinalizeMode } from '../contract/index.ts';
import { rejection } from './desk.ts';
import type { Session } from './session.ts';

/** Of a session: while it is finalized cold. */
export function sessionThrottleRefusal({ input, record }: Session): ApplicationFailure | undefined {
  const { sessionId } = input;
  const { state, finalize } = record.status();
  if (state === 'running') {
    return rejection(
      'NotSupported',
      `${sessionId} runs from its backup, and its guest reads what would be held back. What can be is the copying of ` +
        'a restore, and that of a cold finalize, while the VM is off',
    );
  }
  if (state !== 'finalizing') return rejection('NotRunning', `${sessionId} is ${state}: it copies nothing`);
  if (finalize?.mode === 'cold') return undefined;
  if (finalize?.mode === undefined) {
    return rejection(
      'NotSupported',
      `the finalize of ${sessionId} has not found its way yet: ask again in a moment`,
    );
  }
  return rejection('NotSupported', `${sessionId} is migrated ${words[finalize.mode]}`);
}

const words: Readonly<Record<Exclude<FinalizeMode, 'cold'>, string>> = {
  live: 'live: its guest runs, and reads the disks that would be held back',
  shortOutage:
    'with a short outage: its guest runs while the disks are copied, and reads what would be held back',
  byHand: 'by hand: its disks are in production already',
};

/** Of a restore: until its disks are copied. */
export function restoreThrottleRefusal({ input, record }: Session): ApplicationFailure | undefined {
  const { sessionId } = input;
  const { state } = record.status();
  if (state === 'preflight' || state === 'restoring') return undefined;
  return rejection('NotRunning', `${sessionId} is ${state}: it copies nothing`);
}
