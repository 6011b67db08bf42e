// `rundirect restore disk`: one disk of a backup goes to a VM that is there. Starts the restore and follows it to its end.
import { type Command, Option } from 'commander';
import {
  type RestoreDiskInput,
  restoreDiskInputSchema,
  type SessionStatus,
  sessionIdFor,
  type VerifyMode,
  verifyModeSchema,
  WorkflowType,
} from '../../../contract/index.ts';
import type { Act } from '../../act.ts';
import type { Context } from '../../context.ts';
import { ClientError } from '../../errors/client-error.ts';
import type { ExitCode } from '../../errors/exit-code.ts';
import {
  flagProblems,
  passphraseOptions,
  sessionId as sessionIdArgument,
  siteOption,
  throttleOption,
} from '../../options/arguments.ts';
import { addSource, addTarget, type SourceOptions } from '../../options/session-options.ts';
import type { SessionSecretOptions } from '../../options/session-secrets.ts';
import { askFacts, baseInput, type StartFacts, sealedSecrets } from '../../options/start-input.ts';
import { randomLetters } from '../../random-id.ts';
import { printable } from '../../views/table.ts';
import { runRestore } from './run-restore.ts';

interface Options extends SourceOptions, SessionSecretOptions {
  readonly vm: string;
  readonly disk: string;
  readonly toVm: string;
  readonly datastore?: string;
  readonly verify: VerifyMode;
  readonly throttle?: number;
  readonly detach?: boolean;
  readonly site: string;
  readonly session?: string;
}

/** The Workflow's input from the command line. Throws ClientError Usage where they don't make one. */
function diskInput(options: Options, facts: StartFacts, sessionId: string): RestoreDiskInput {
  const { disk, toVm, datastore, verify, throttle } = options;
  const parsed = restoreDiskInputSchema.safeParse({
    ...baseInput(options, facts, sealedSecrets(options, facts, sessionId), sessionId),
    ...{ verify, disk, toVm, datastore, throttle },
  });
  if (!parsed.success) throw new ClientError('Usage', flagProblems(parsed.error), { cause: parsed.error });
  return parsed.data;
}

async function restoreDisk(context: Context, options: Options): Promise<ExitCode | undefined> {
  const sessionId = options.session ?? sessionIdFor(options.vm, randomLetters());
  const input = diskInput(options, await askFacts(context, options), sessionId);
  return runRestore(context, {
    ...{ type: WorkflowType.restoreDisk, workflowId: sessionId, vm: options.vm, input, session: input },
    detach: options.detach === true,
    ending: (status) => ending(status, options),
  });
}

function ending({ restore: done }: SessionStatus, { disk, toVm }: Options): string {
  const name = printable(done?.toVm?.name ?? toVm);
  const file = printable(done?.location ?? 'production storage');
  return `VM ${name} has disk ${disk} at ${done?.toVm?.node ?? 'a place of its own'}: ${file}`;
}

const examples = `
The VM may be on or off, and may have snapshots. It gets the disk at the first place that is free on a SCSI, NVMe or SATA
controller, or on a SCSI controller that comes with it. The file goes into the VM's folder, under a name that ends with
the session's id. What stands in the way is said at once, before anything is touched; a failure, or \`rundirect stop
SESSION\`, takes the disk off the VM and deletes it. Once the VM has it, it is the VM's for good.

A guest that finds volumes by their ids (LVM, XFS, GRUB) finds those of the VM's own disk twice: mount the restored ones
by device, and take the disk off again before the VM boots anew if you are not sure. A guest with an LSI Logic
controller looks for new disks only when it is told to.

Examples:
  $ rundirect restore disk --vault /backups/vault --set nightly --vm web01 --disk scsi0:1 --to-vm web01 \\
      --target esx1.example --user root
  $ rundirect restore disk --vault /backups/vault --set nightly --vm web01 --job 000007-20261123T030000Z --disk web01_1.vmdk \\
      --to-vm rescue --datastore vmfs02 --target vcenter.example --user backup@vsphere.local

With --json the last line is the result; each line before it is an event.`;

export function addRestoreDisk(restoreCommand: Command, act: Act): void {
  const command = restoreCommand
    .command('disk')
    .summary('one disk, added to a VM that is there')
    .description("Copies one disk of a backup beside an existing VM's files and adds it to that VM.");
  addSource(command.optionsGroup('What to restore:'))
    .requiredOption('--vm <name>', "the VM's name in the backup")
    .requiredOption('--disk <which>', 'its place (scsi0:1), or its name in the backup (web01_1.vmdk)');
  for (const option of passphraseOptions()) command.addOption(option);
  addTarget(command.optionsGroup('Where:'), { mandatory: true })
    .requiredOption('--to-vm <name>', 'the VM that gets it, by its name or its id at the target (vm-42)')
    .option('--datastore <name>', "where the disk goes (default: where the VM's configuration is)")
    .addOption(siteOption())
    .optionsGroup('How:')
    .addOption(
      new Option('--verify <when>', 'check every block of the backup: before the copying, or beside it')
        .choices(verifyModeSchema.options)
        .default('none'),
    )
    .addOption(throttleOption())
    .option('--session <id>', "the restore's id (default: from the VM's name)", sessionIdArgument)
    .option('--detach', 'begin, and do not follow')
    .addHelpText('after', examples)
    .action(act(restoreDisk));
}
