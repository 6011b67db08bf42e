// `rundirect browse open`: publishes the disks, and prints how to mount them.
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import type { Command } from 'commander';
import {
  type BrowseInput,
  BrowseMessage,
  type BrowseStatus,
  browseInputSchema,
  SearchAttribute,
  sessionIdFor,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../../../contract/index.ts';
import { seal } from '../../../secrets/index.ts';
import type { Act } from '../../act.ts';
import type { Context } from '../../context.ts';
import { ClientError } from '../../errors/client-error.ts';
import {
  flagProblems,
  type PassphraseOptions,
  passphraseOptions,
  sessionId as sessionIdArgument,
  siteOption,
} from '../../options/arguments.ts';
import { addSource, type SourceOptions } from '../../options/session-options.ts';
import { siteKeyForSealing } from '../../options/trust.ts';
import { readSecrets } from '../../options/typed-secret.ts';
import { randomLetters } from '../../random-id.ts';
import { requireWorkers, type Temporal } from '../../temporal/temporal.ts';
import { tellTroubles } from '../../temporal/trouble.ts';
import { browseText, mountCommands } from '../../views/browse-view.ts';

interface Options extends SourceOptions, PassphraseOptions {
  readonly vm: string;
  readonly allow: readonly string[];
  readonly site: string;
  readonly session?: string;
}

async function browseInput(context: Context, options: Options): Promise<BrowseInput> {
  const { site, set, vault, job, vm, passphraseFile: file, passphraseStdin: stdin = false } = options;
  const browseId = options.session ?? sessionIdFor(vm, randomLetters());
  await requireWorkers(await context.temporal(), site);
  const key = await siteKeyForSealing(context, site);
  const wanted = { name: 'passphrase', subject: `backup set ${set}`, file, stdin };
  const [typed] = await readSecrets([wanted], context.terminal);
  if (typed === undefined) throw new ClientError('SecretUnreadable', 'the passphrase is missing');
  const binding = { workflowId: browseId, purpose: 'set-passphrase', subject: set };
  const passphrase = seal(key.publicKey, typed, binding);
  const source = { vault, backupSet: set, jobId: job, vmName: vm, passphrase };
  const parsed = browseInputSchema.safeParse({ browseId, site, source, allow: options.allow });
  if (!parsed.success) throw new ClientError('Usage', flagProblems(parsed.error), { cause: parsed.error });
  return parsed.data;
}

const keyword = (name: string, value: string): SearchAttributePair => ({
  key: defineSearchAttributeKey(name, 'KEYWORD'),
  value,
});

async function startBrowse(temporal: Temporal, input: BrowseInput): Promise<void> {
  const { browseId, site, source } = input;
  try {
    await temporal.client.workflow.start(WorkflowType.browse, {
      workflowId: browseId,
      taskQueue: WORKFLOW_TASK_QUEUE,
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      args: [input],
      typedSearchAttributes: [
        keyword(SearchAttribute.vm, source.vmName),
        keyword(SearchAttribute.state, 'opening'),
        keyword(SearchAttribute.site, site),
        keyword(SearchAttribute.backupSet, source.backupSet),
      ],
      staticSummary: `browse ${source.vmName} from ${source.backupSet}/${source.jobId}`,
    });
  } catch (cause) {
    if (!(cause instanceof WorkflowExecutionAlreadyStartedError)) throw cause;
    throw new ClientError('SessionIdTaken', `there is, or was, a session ${browseId} already`, {
      cause,
      hint: 'Give --session another id, or leave it out: then a fresh one is made.',
    });
  }
}

async function open(context: Context, options: Options): Promise<undefined> {
  const { terminal, interrupted } = context;
  const input = await browseInput(context, options);
  const temporal = await context.temporal();
  await startBrowse(temporal, input);
  const handle = temporal.client.workflow.getHandle(input.browseId);
  const troubles = tellTroubles(temporal, handle, (message) => terminal.note(message));
  const status = await temporal.client
    .withAbortSignal(interrupted, () => handle.executeUpdate<BrowseStatus, []>(BrowseMessage.opened))
    .finally(() => troubles[Symbol.dispose]());
  const commands = status.exported === undefined ? [] : mountCommands(status.browseId, status.exported);
  terminal.document({ ...status, commands });
  terminal.print(browseText(status));
  terminal.print('');
  terminal.print(terminal.style('dim', `Unmount it, then: rundirect browse close ${status.browseId}`));
  return undefined;
}

const collect = (address: string, before: readonly string[] = []): string[] => [...before, address];

export function addBrowseOpen(browse: Command, act: Act): void {
  const command = browse
    .command('open')
    .summary("publish a job's disks read-only")
    .description(
      "Publishes a job's disks read-only, and prints the commands that mount them and their partitions on Linux.",
    );
  addSource(command)
    .requiredOption('--vm <name>', "the VM's name in the backup")
    .requiredOption('--allow <address>', 'who may mount it: an address or CIDR range (repeatable)', collect);
  for (const option of passphraseOptions()) command.addOption(option);
  command
    .addOption(siteOption())
    .option('--session <id>', 'its id (default: from the VM’s name)', sessionIdArgument)
    .addHelpText(
      'after',
      '\nThe disks are read from the backup, block by block, and authenticated. What is mounted shows files as they were\n' +
        'when the guest was powered off; a file system that wants its journal replayed is mounted with noload (ext4) or\n' +
        'norecovery (XFS) beside ro.\n\n' +
        'Example:\n' +
        '  $ rundirect browse open --vault /backups/vault --set nightly --vm web01 --allow 192.0.2.17\n' +
        '  $ rundirect browse close web01-k3v9q2m4xa',
    )
    .action(act(open));
}
