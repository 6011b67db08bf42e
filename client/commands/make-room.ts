// `rundirect make-room`: raises what a running session's changes may take at the gateway.
import type { Command } from 'commander';
import { type MakeRoomRequest, type MakeRoomResult, SessionMessage } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { sessionId as sessionIdArgument, size } from '../options/arguments.ts';
import { formatBytes } from '../quantity.ts';
import { askSession } from '../session/ask-session.ts';
import { findOne } from '../session/session-lookup.ts';

async function makeRoom(context: Context, sessionId: string, bytes: number): Promise<undefined> {
  const { terminal } = context;
  await findOne(await context.temporal(), sessionId, 'given room');
  const result = await askSession<MakeRoomResult>(context, sessionId, {
    what: 'room',
    ask: (handle) =>
      handle.executeUpdate<MakeRoomResult, [MakeRoomRequest]>(SessionMessage.makeRoom, { args: [{ bytes }] }),
  });
  const { reservedBytes, usedBytes } = result;
  terminal.document(result);
  terminal.print(
    `The gateway keeps ${formatBytes(reservedBytes)} for the changes of ${sessionId}, which take ${formatBytes(usedBytes)}.`,
  );
  return undefined;
}

const examples = `
At the start so much is reserved as --reserve-factor says, 1.5 times the VM's disks. A guest that has used that up stands
still, with every write that was acknowledged, and the host asks what becomes of it: make room, then answer with Retry.
What was reserved before is never made less. It comes from what is free at the site and reserved for nobody else.

Example:
  $ rundirect make-room web01-k3v9q2m4xa 20GiB
  $ rundirect answer web01-k3v9q2m4xa Retry`;

export function addMakeRoom(program: Command, act: Act): void {
  program
    .command('make-room')
    .summary("keep more room for a session's changes")
    .description("Sees to it that a session's VM can write so much more, beside all that it has changed.")
    .argument('<session>', "the session's id", sessionIdArgument)
    .argument('<size>', 'what it can write from now on, at the least: 20GiB (MiB, GiB or TiB)', size)
    .addHelpText('after', examples)
    .action(act(makeRoom));
}
