// What ended and could not remove everything says so, in words and in its failure, for whoever started it to read.
import type { Undone } from './compensation.ts';
import { failureFrom, type Reason, sentence } from './failure.ts';
import type { EndingSession } from './session.ts';

/** @param left names each thing, in words. */
export function withLeftBehind(reason: Reason, left: readonly string[]): Reason {
  return { ...reason, details: [...reason.details, { leftBehind: [...left] }] };
}

/** Empty for a failure that left nothing. */
export function leftBehindOf({ details }: Reason): readonly string[] {
  return details.flatMap((detail) => {
    const has = typeof detail === 'object' && detail !== null && 'leftBehind' in detail;
    return has && Array.isArray(detail.leftBehind) ? detail.leftBehind.map(String) : [];
  });
}

/**
 * The words for an undoing that was given up.
 * @param left names what could not be undone; `stuck` is why.
 */
export function leftToDo(first: Reason, left: readonly string[], stuck: Reason): string {
  return `${sentence(first.message)} Left to do by hand: ${left.join(', ')}, because ${stuck.message}`;
}

/** What could not be undone, each in words. */
export function notUndone({ left, reason }: Undone): string[] {
  return left.map((name) => `could not ${name}: ${reason?.message ?? 'for no known reason'}`);
}

/**
 * Ends a session that has to leave something behind: a person has to remove it.
 * @param words are what its log says of that.
 */
export function giveUp(
  { record }: Pick<EndingSession, 'record'>,
  reason: Reason,
  left: readonly string[],
  words: string,
): Error {
  const { type, message } = reason;
  record.update({ state: 'failed', status: 'Error', step: 'failed', failure: { type, message } });
  record.say(words, 'error');
  return failureFrom(withLeftBehind(reason, left));
}
