// `rundirect backup`: backs up folders of powered-off VMs into a backup set, and follows until the job is
// committed. Ctrl-C cancels it: the earlier jobs stay as they are, and no half job appears.
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import {
  type BackupInput,
  BackupMessage,
  type BackupProgress,
  type BackupResult,
} from '../../contract/index.ts';
import { seal } from '../../secrets/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import {
  backupSetName,
  type PassphraseOptions,
  passphraseOptions,
  siteOption,
  vaultOption,
} from '../options/arguments.ts';
import { siteKeyForSealing } from '../options/trust.ts';
import { readSecrets } from '../options/typed-secret.ts';
import { formatBytes, formatDuration } from '../quantity.ts';
import { interruptionBy, isAborted } from '../temporal/interruption.ts';
import { askSite, cancelQuietly, newWorkflowId, startSiteWorkflow } from '../temporal/site-workflow.ts';
import type { Temporal } from '../temporal/temporal.ts';
import { tellTroubles } from '../temporal/trouble.ts';
import { facts, printable } from '../views/table.ts';

interface Options extends PassphraseOptions {
  readonly vault: string;
  readonly set: string;
  readonly site: string;
  readonly full?: boolean;
}

const PROGRESS_POLL_MS = 500;
const QUERY_TIMEOUT_MS = 5_000;
/** A cancelled backup cleans up before it ends; after this long it is left to do so alone. */
const CLEANUP_PATIENCE_MS = 30_000;

/** Asked first when the set is new: a slip of the finger in its passphrase would make its backups unreadable. */
async function isNewSet(context: Context, { site, vault, set }: Options): Promise<boolean> {
  const listing = await askSite(await context.temporal(), 'vaultList', { site, vault }, context.waiting);
  return !listing.backupSets.some(({ name }) => name === set);
}

async function readPassphrase(context: Context, options: Options): Promise<Uint8Array> {
  const { passphraseFile: file, passphraseStdin: stdin = false } = options;
  const typed = file === undefined && !stdin && context.terminal.interactive;
  const confirm = typed && (await isNewSet(context, options));
  const subject = confirm ? `the new backup set ${options.set}` : `backup set ${options.set}`;
  const [passphrase] = await readSecrets(
    [{ name: 'passphrase', subject, file, stdin, confirm }],
    context.terminal,
  );
  if (passphrase === undefined) throw new ClientError('SecretUnreadable', 'the passphrase is missing');
  return passphrase;
}

export function progressText(progress: BackupProgress): string {
  const { phase, vmName, diskName, doneBytes, totalBytes, storedBytes } = progress;
  if (phase !== 'reading') return phase;
  const percent = totalBytes === 0 ? 0 : Math.floor((100 * doneBytes) / totalBytes);
  const done = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  return `${percent} %  ${done}, stored ${formatBytes(storedBytes)}  ${vmName} ${diskName}`;
}

/** Tells progress until `done`. */
async function tellProgress(
  context: Context,
  temporal: Temporal,
  handle: WorkflowHandle,
  done: AbortSignal,
): Promise<void> {
  let shown = '';
  while (!isAborted(done)) {
    await delay(PROGRESS_POLL_MS, undefined, { signal: done }).catch(() => undefined);
    if (isAborted(done)) return;
    const progress = await temporal.client
      .withDeadline(Date.now() + QUERY_TIMEOUT_MS, () => handle.query<BackupProgress>(BackupMessage.progress))
      // Only a look; the backup's own end is what counts.
      .catch(() => undefined);
    const text = JSON.stringify(progress);
    if (isAborted(done) || progress === undefined || text === shown) continue;
    shown = text;
    context.terminal.progress(progressText(progress));
    context.terminal.document({ event: 'progress', ...progress });
  }
}

async function cancelBackup(
  context: Context,
  temporal: Temporal,
  handle: WorkflowHandle,
  result: Promise<unknown>,
): Promise<never> {
  context.terminal.note('Cancelling the backup; Ctrl-C again leaves it to do so alone.');
  await cancelQuietly(temporal, handle);
  const patience = AbortSignal.timeout(CLEANUP_PATIENCE_MS);
  using tired = interruptionBy(patience);
  await Promise.race([result.catch(() => undefined), tired.promise]);
  throw new ClientError('Interrupted', 'the backup was cancelled; the earlier jobs are as they were');
}

async function runBackup(context: Context, input: BackupInput, workflowId: string): Promise<BackupResult> {
  const { interrupted, terminal } = context;
  const temporal = await context.temporal();
  const handle = await startSiteWorkflow(temporal, 'backup', input, {
    workflowId,
    summary: `backup of ${input.vmFolders.length} VM(s) into set ${input.backupSet}`,
  });
  const done = new AbortController();
  const telling = tellProgress(context, temporal, handle, AbortSignal.any([done.signal, interrupted]));
  const troubles = tellTroubles(temporal, handle, (message) => terminal.note(message));
  using interruption = interruptionBy(interrupted);
  const result = handle.result();
  try {
    const outcome = await Promise.race([result, interruption.promise]);
    return outcome === 'interrupted' ? await cancelBackup(context, temporal, handle, result) : outcome;
  } finally {
    troubles[Symbol.dispose]();
    done.abort();
    await telling;
  }
}

export function backupFacts(result: BackupResult): string {
  const disks = result.vms.flatMap((vm) => vm.disks);
  return facts([
    ['job', result.jobId],
    ['set', `${result.backupSet}${result.newSet ? ' (new)' : ''}`],
    ['kind', result.kind],
    ['VMs', result.vms.map((vm) => vm.name).join(', ')],
    ['read', formatBytes(disks.reduce((sum, disk) => sum + disk.sizeBytes, 0))],
    ['stored', formatBytes(result.storedBytes)],
    ['took', formatDuration(result.durationMs)],
  ]);
}

export function addBackup(program: Command, act: Act): void {
  const command = program
    .command('backup')
    .summary('back up powered-off VMs')
    .description(
      'Backs up the folders of powered-off VMs (.vmx and disks) as one job of a backup set: a full the first ' +
        'time, a delta of the changed blocks afterwards. The first backup makes the set, with this passphrase.',
    )
    .argument('<folder...>', "the VMs' folders: absolute, as the site sees them")
    .addOption(vaultOption())
    .requiredOption('--set <name>', 'the backup set', backupSetName)
    .option('--full', 'begin a new chain, although a delta would do')
    .addOption(siteOption());
  for (const option of passphraseOptions()) command.addOption(option);
  command
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ rundirect backup --vault /backups/vault --set nightly /vmfs/web01\n' +
        '  $ rundirect backup --vault /backups/vault --set nightly --passphrase-file ~/nightly.key /vms/web01 /vms/db01',
    )
    .action(
      act(async (context, vmFolders: string[], options: Options) => {
        const { terminal } = context;
        const folders = checkedFolders(vmFolders);
        const key = await siteKeyForSealing(context, options.site);
        const passphrase = await readPassphrase(context, options);
        const workflowId = newWorkflowId('backup');
        const binding = { workflowId, purpose: 'set-passphrase', subject: options.set };
        const result = await runBackup(
          context,
          {
            site: options.site,
            vault: options.vault,
            backupSet: options.set,
            vmFolders: folders,
            passphrase: seal(key.publicKey, passphrase, binding),
            full: options.full ?? false,
          },
          workflowId,
        );
        terminal.document({ event: 'result', result });
        terminal.print(backupFacts(result));
        for (const warning of result.warnings) terminal.note(printable(`warning: ${warning}`));
        return undefined;
      }),
    );
}

const MAX_FOLDERS = 64;

function checkedFolders(folders: string[]): string[] {
  const relative = folders.find((folder) => !folder.startsWith('/'));
  if (relative !== undefined) {
    throw new ClientError('Usage', `${relative} is not absolute: a folder is named as the site sees it`);
  }
  if (folders.length > MAX_FOLDERS)
    throw new ClientError('Usage', `one job takes at most ${MAX_FOLDERS} VMs`);
  return folders;
}
