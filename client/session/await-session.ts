// Waits at the terminal until a session is where the command wanted it: shows all on the way, turns a failed
// session into its failure, and says at Ctrl-C that the session goes on without the one who watched.
import type { LogEntry, SessionStatus } from '../../contract/index.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { ExitCode } from '../errors/exit-code.ts';
import { type Followed, followSession } from '../temporal/follow.ts';
import type { Terminal } from '../terminal.ts';
import { showChange } from '../views/session-view.ts';

/** Running, and nothing of the start is awaited any more. */
export function isSettled(
  status: Pick<SessionStatus, 'guest' | 'powerState'> & { readonly state: string },
): boolean {
  return status.state === 'running' && (status.guest !== 'awaited' || status.powerState !== 'poweredOn');
}

const isOver = ({ state }: SessionStatus): boolean =>
  ['stopped', 'finalized', 'restored', 'failed', 'cancelled'].includes(state);

/** What the shell is told of a session: failed when it failed, or when it runs from damaged blocks. */
export function exitCodeOf(status: SessionStatus): ExitCode {
  return status.state === 'failed' || status.state === 'cancelled' || status.status === 'Error'
    ? ExitCode.failed
    : ExitCode.ok;
}

const goesOn = (sessionId: string): ClientError =>
  new ClientError('Interrupted', `you no longer watch ${sessionId}; the session goes on`, {
    hint: `Watch it with \`rundirect watch ${sessionId}\`, stop it with \`rundirect stop ${sessionId}\`.`,
  });

/** What is waited for, and how it is shown meanwhile. */
export interface Awaited<Status extends Followed> {
  readonly enough: (status: Status) => boolean;
  readonly isOver: (status: Status) => boolean;
  readonly show: (terminal: Terminal, status: Status, newEntries: readonly LogEntry[]) => void;
}

/** Shows the session until `enough` says so, or it ends; see `awaitStatus`. */
export const awaitSession = (
  context: Context,
  sessionId: string,
  enough: (status: SessionStatus) => boolean,
): Promise<SessionStatus | undefined> =>
  awaitStatus<SessionStatus>(context, sessionId, { enough, isOver, show: showChange });

/**
 * Shows a session, or a batch, until it is where it is wanted, or ends. Answers the last status; undefined where it
 * ended without ever answering. Throws the failure that it ended with, and ClientError Interrupted.
 */
export async function awaitStatus<Status extends Followed>(
  context: Context,
  sessionId: string,
  { enough, isOver: hasEnded, show }: Awaited<Status>,
): Promise<Status | undefined> {
  const { terminal, interrupted } = context;
  let last: Status | undefined;
  for await (const event of followSession<Status>(await context.temporal(), sessionId, interrupted)) {
    if (event.kind === 'trouble') {
      terminal.note(event.message);
      terminal.document({ event: 'trouble', message: event.message });
    } else if (event.kind === 'status') {
      last = event.status;
      show(terminal, last, event.newEntries);
      if (enough(last)) return last;
    } else {
      if (event.error !== undefined) throw event.error;
      return last;
    }
  }
  if (last !== undefined && hasEnded(last)) return last;
  throw goesOn(sessionId);
}
