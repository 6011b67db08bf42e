// `rundirect browse close`: nothing is published any more; answers when it is so.
import type { Command } from 'commander';
import { BrowseMessage, type CloseBrowseResult } from '../../../contract/index.ts';
import type { Act } from '../../act.ts';
import { sessionId as sessionIdArgument } from '../../options/arguments.ts';
import { listedSession } from '../../session/session-list.ts';
import { requireWorkers } from '../../temporal/temporal.ts';
import { openBrowseHandle } from './lookup.ts';

export function addBrowseClose(browse: Command, act: Act): void {
  browse
    .command('close')
    .summary('take the disks away again')
    .description('Ends the export. Who still has it mounted gets errors: unmount it first.')
    .argument('<id>', 'its id, as `rundirect browse list` shows it', sessionIdArgument)
    .addHelpText('after', '\nExample:\n  $ rundirect browse close web01-k3v9q2m4xa')
    .action(
      act(async (context, browseId: string) => {
        const { terminal, interrupted } = context;
        const temporal = await context.temporal();
        const handle = await openBrowseHandle(temporal, browseId);
        await requireWorkers(temporal, listedSession(await handle.describe()).site);
        const result = await temporal.client.withAbortSignal(interrupted, () =>
          handle.executeUpdate<CloseBrowseResult, []>(BrowseMessage.close),
        );
        terminal.document(result);
        terminal.print(`Browse ${browseId} is closed.`);
        return undefined;
      }),
    );
}
