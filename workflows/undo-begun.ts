// What a start or a restore ends in that fails or is cancelled on the way: everything that was begun is undone, and
// the session ends with the failure that began it, as cancelled, or with the answer `cancelled` to a stop.
import type { StopResult } from '../contract/index.ts';
import type { Compensations } from './compensation.ts';
import { cancelled, failureFrom, reasonOf, sentence } from './failure.ts';
import { giveUp, leftToDo } from './left-behind.ts';
import type { Session } from './session.ts';
import { sayUndone } from './undo-words.ts';

/**
 * Answers when a stop asked for it; else throws what ended it.
 * @param what it is, for people.
 */
export async function undoBegun(
  session: Session,
  what: 'start' | 'restore',
  undo: Compensations,
  error: unknown,
  stopped: boolean,
): Promise<StopResult> {
  const { input, record } = session;
  const reason = reasonOf(error, record.status().step);
  const wasCancelled = cancelled(error);
  record.update({
    state: 'stopping',
    status: wasCancelled ? 'Warning' : 'Error',
    failure: wasCancelled ? undefined : { type: reason.type, message: reason.message },
  });
  const next = undo.isEmpty() ? 'Nothing was touched' : `The ${what} is undone`;
  if (wasCancelled) record.say(`The ${what} was cancelled. ${next}`, 'warning');
  else record.say(`${sentence(reason.message)} ${next}`, 'error');
  const { left, reason: stuck } = await undo.undo(sayUndone(session));
  if (stuck !== undefined) {
    const message = leftToDo(reason, left, stuck);
    throw giveUp(session, { ...reason, message }, left, message);
  }
  const state = wasCancelled ? 'cancelled' : 'failed';
  record.timed('stoppedMs', Date.now());
  record.update({ state, step: state, vm: undefined, powerState: undefined });
  record.say('Nothing of the session is left');
  if (!wasCancelled) throw failureFrom(reason);
  if (stopped) return { sessionId: input.sessionId, state };
  throw error;
}
