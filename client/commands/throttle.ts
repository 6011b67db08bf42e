// `rundirect throttle`, `pause` and `resume`: hold the copying of a restore or of a cold finalize back, have it stand
// still, and let it go on. Refused wherever a guest reads what is copied.
import type { Command } from 'commander';
import { SessionMessage, type ThrottleRequest, type ThrottleResult } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { rateOrNone, sessionId as sessionIdArgument } from '../options/arguments.ts';
import { askSession } from '../session/ask-session.ts';
import { findOne } from '../session/session-lookup.ts';
import { throttleText } from '../views/throttle-view.ts';

async function ask(context: Context, sessionId: string, request: ThrottleRequest): Promise<undefined> {
  const { terminal } = context;
  await findOne(await context.temporal(), sessionId, 'held back');
  const result = await askSession<ThrottleResult>(context, sessionId, {
    what: 'change',
    ask: (handle) =>
      handle.executeUpdate<ThrottleResult, [ThrottleRequest]>(SessionMessage.throttle, { args: [request] }),
  });
  terminal.document(result);
  terminal.print(`The copying of ${sessionId}: ${throttleText(result.throttle) ?? 'as fast as it can'}.`);
  return undefined;
}

const where = `
Only where no guest reads what is copied: a restore, and a finalize that migrates the VM cold, while it is off. All disks
of the session have the rate together. It holds until it is changed or the copying has ended, whatever is restarted
meanwhile; a verify beside the copying reads the backup by itself, and is not held back.`;

export function addThrottle(program: Command, act: Act): void {
  program
    .command('throttle')
    .summary('limit how fast a restore or a cold finalize copies')
    .description('Limits how fast the copying of a restore, or of a cold finalize, reads from the gateway.')
    .argument('<session>', "the session's id", sessionIdArgument)
    .argument('<rate>', 'so much a second: 50MiB/s (KiB, MiB or GiB); none lifts the limit', rateOrNone)
    .addHelpText(
      'after',
      `${where}\n\nExamples:\n  $ rundirect throttle web01-k3v9q2m4xa 50MiB/s\n  $ rundirect throttle web01-k3v9q2m4xa none`,
    )
    .action(
      act((context, sessionId: string, bytesPerSecond: number | null) =>
        ask(context, sessionId, { bytesPerSecond }),
      ),
    );
  program
    .command('pause')
    .summary('have a restore or a cold finalize stand still')
    .description('Has the copying of a restore, or of a cold finalize, stand still until it is resumed.')
    .argument('<session>', "the session's id", sessionIdArgument)
    .addHelpText(
      'after',
      `${where}\nWhat the target has read already it still writes. The target waits all the while, with a task that runs;\na finalize keeps its turn at the datastore that it goes to.\n\n` +
        'Examples:\n  $ rundirect pause web01-k3v9q2m4xa\n  $ rundirect resume web01-k3v9q2m4xa',
    )
    .action(act((context, sessionId: string) => ask(context, sessionId, { paused: true })));
  program
    .command('resume')
    .summary('let a copy that is paused go on')
    .description('Lets a copy that is paused go on, at the rate that it is limited to, if it is.')
    .argument('<session>', "the session's id", sessionIdArgument)
    .addHelpText('after', '\nExample:\n  $ rundirect resume web01-k3v9q2m4xa')
    .action(act((context, sessionId: string) => ask(context, sessionId, { paused: false })));
}
