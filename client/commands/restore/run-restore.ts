// Begins a restore and follows it to its end, whatever it restores.
import type { SessionStatus } from '../../../contract/index.ts';
import type { Context } from '../../context.ts';
import { ClientError } from '../../errors/client-error.ts';
import type { ExitCode } from '../../errors/exit-code.ts';
import { formatBytes, formatDuration } from '../../quantity.ts';
import { awaitSession, exitCodeOf } from '../../session/await-session.ts';
import { type StartPlan, startWorkflow } from '../../temporal/start-workflow.ts';
import { sessionFacts } from '../../views/session-view.ts';

export interface RestoreCommand extends StartPlan {
  readonly detach: boolean;
  /** What is restored, and where to: `web01 is restored to [vmfs01] web01`. */
  readonly ending: (status: SessionStatus) => string;
}

/** Throws ClientError where it does not begin, or ends otherwise than asked for. */
export async function runRestore(
  context: Context,
  { detach, ending, ...plan }: RestoreCommand,
): Promise<ExitCode | undefined> {
  const { terminal } = context;
  const sessionId = plan.workflowId;
  await startWorkflow(await context.temporal(), plan);
  terminal.document({ event: 'started', sessionId });
  terminal.print(`Session ${sessionId}`);
  if (detach) {
    terminal.document({ event: 'result', sessionId });
    return undefined;
  }
  const status = await awaitSession(context, sessionId, ({ state }) => state === 'restored');
  if (status?.state !== 'restored') {
    throw new ClientError('SessionEnded', `restore ${sessionId} ended before it was in production`, {
      hint: `See its log with: rundirect show ${sessionId}`,
    });
  }
  terminal.document({ event: 'result', session: status });
  terminal.print('');
  terminal.print(sessionFacts(status));
  terminal.print('');
  terminal.print(terminal.style('bold', `${ending(status)}${sizeAndTime(status)}.`));
  return exitCodeOf(status);
}

function sizeAndTime({ restore }: SessionStatus): string {
  const size = restore?.totalBytes === undefined ? '' : `, ${formatBytes(restore.totalBytes)}`;
  const took = restore?.copyMs === undefined ? '' : ` in ${formatDuration(restore.copyMs)}`;
  return `${size}${took}`;
}
