// What a Workflow says while it undoes something: what stands in the way, and what is done.
import type { LogEntry } from '../contract/index.ts';
import type { CompensationListener } from './compensation.ts';
import { sentence } from './failure.ts';
import type { Session } from './session.ts';

/** A record of any kind of Workflow. */
interface Log {
  say(message: string, level?: LogEntry['level']): void;
}

export const sayWaiting =
  (record: Log): CompensationListener['onWaiting'] =>
  (name, reason, waitMs) =>
    record.say(
      `Could not ${name}: ${sentence(reason.message)} Tries again in ${Math.round(waitMs / 1000)} s`,
      'warning',
    );

/** Of a session; the step that is undone is its step. */
export const sayUndone = ({ record }: Session): CompensationListener => ({
  onWaiting: sayWaiting(record),
  onDone: (name) => {
    record.update({ step: name });
    record.say(`Undone: ${name}`);
  },
});
