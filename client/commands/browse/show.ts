// `rundirect browse show`: how to mount what is open.
import type { Command } from 'commander';
import { BrowseMessage, type BrowseStatus } from '../../../contract/index.ts';
import type { Act } from '../../act.ts';
import { sessionId as sessionIdArgument } from '../../options/arguments.ts';
import { browseText, mountCommands } from '../../views/browse-view.ts';
import { openBrowseHandle } from './lookup.ts';

const QUERY_TIMEOUT_MS = 5_000;

export function addBrowseShow(browse: Command, act: Act): void {
  browse
    .command('show')
    .summary('show how to mount it')
    .description('Shows what is published, and the commands that mount it.')
    .argument('<id>', 'its id, as `rundirect browse list` shows it', sessionIdArgument)
    .addHelpText('after', '\nExample:\n  $ rundirect browse show web01-k3v9q2m4xa')
    .action(
      act(async (context, browseId: string) => {
        const temporal = await context.temporal();
        const handle = await openBrowseHandle(temporal, browseId);
        const status = await temporal.client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () =>
          handle.query<BrowseStatus>(BrowseMessage.status),
        );
        const commands = status.exported === undefined ? [] : mountCommands(browseId, status.exported);
        context.terminal.document({ ...status, commands });
        context.terminal.print(browseText(status));
        return undefined;
      }),
    );
}
