// Waits at the terminal until a session is where the command wanted it: shows all on the way, turns a failed
// session into its failure, and says at Ctrl-C that the session goes on without the one who watched.
import type { SessionStatus } from '../contract/index.ts';
import { ClientError } from './client-error.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { followSession } from './follow.ts';
import { showChange } from './session-view.ts';

/** Running, and nothing of the start is awaited any more. */
export function isSettled(status: SessionStatus): boolean {
  return status.state === 'running' && (status.guest !== 'awaited' || status.powerState !== 'poweredOn');
}

const isOver = ({ state }: SessionStatus): boolean =>
  state === 'stopped' || state === 'finalized' || state === 'failed' || state === 'cancelled';

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

/**
 * Shows the session until `enough` says so, or it ends. Answers the last status; undefined where the session
 * ended without ever answering. Throws the failure that it ended with, and ClientError Interrupted.
 */
export async function awaitSession(
  context: Context,
  sessionId: string,
  enough: (status: SessionStatus) => boolean,
): Promise<SessionStatus | undefined> {
  const { terminal, interrupted } = context;
  let last: SessionStatus | undefined;
  for await (const event of followSession(await context.temporal(), sessionId, interrupted)) {
    if (event.kind === 'trouble') {
      terminal.note(event.message);
      terminal.document({ event: 'trouble', message: event.message });
    } else if (event.kind === 'status') {
      last = event.status;
      showChange(terminal, last, event.newEntries);
      if (enough(last)) return last;
    } else {
      if (event.error !== undefined) throw event.error;
      return last;
    }
  }
  if (last !== undefined && isOver(last)) return last;
  throw goesOn(sessionId);
}
