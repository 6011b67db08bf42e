// `rundirect restore [vm]`: a whole VM goes to production storage. Starts the restore and follows it to its end.
import { type Command, Option } from 'commander';
import {
  type DiskPlace,
  type RestoreInput,
  restoreInputSchema,
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
import { diskOption } from '../../options/location-options.ts';
import {
  addPlacement,
  addSource,
  addTarget,
  guestTimeoutOption,
  networkOption,
  type PlacementOptions,
  type SourceOptions,
} from '../../options/session-options.ts';
import type { SessionSecretOptions } from '../../options/session-secrets.ts';
import { askFacts, baseInput, type StartFacts, sealedSecrets } from '../../options/start-input.ts';
import { randomLetters } from '../../random-id.ts';
import { printable } from '../../views/table.ts';
import { runRestore } from './run-restore.ts';

interface Options extends SourceOptions, SessionSecretOptions, PlacementOptions {
  readonly vm: string;
  readonly datastore: string;
  readonly disk?: readonly DiskPlace[];
  readonly name?: string;
  readonly network: 'original' | 'disconnected';
  readonly powerOn?: boolean;
  readonly verify: VerifyMode;
  readonly guestTimeout: number;
  readonly throttle?: number;
  readonly detach?: boolean;
  readonly site: string;
  readonly session?: string;
}

/** The Workflow's input from the command line. Throws ClientError Usage where they don't make one. */
function restoreInput(options: Options, facts: StartFacts, sessionId: string): RestoreInput {
  const { name, host, folder, resourcePool, network } = options;
  const parsed = restoreInputSchema.safeParse({
    ...baseInput(options, facts, sealedSecrets(options, facts, sessionId), sessionId),
    placement: { name, host, folder, resourcePool, network },
    datastore: options.datastore,
    disks: options.disk,
    throttle: options.throttle,
    powerOn: options.powerOn ?? false,
    verify: options.verify,
    guestTimeoutMs: options.guestTimeout,
  });
  if (!parsed.success) throw new ClientError('Usage', flagProblems(parsed.error), { cause: parsed.error });
  return parsed.data;
}

async function restore(context: Context, options: Options): Promise<ExitCode | undefined> {
  const sessionId = options.session ?? sessionIdFor(options.vm, randomLetters());
  const input = restoreInput(options, await askFacts(context, options), sessionId);
  return runRestore(context, {
    ...{ type: WorkflowType.restore, workflowId: sessionId, vm: options.vm, input, session: input },
    detach: options.detach === true,
    ending,
  });
}

function ending({ vm, vmName, restore: done }: SessionStatus): string {
  const where = printable(done?.location ?? 'production storage');
  return `${printable(vm?.name ?? vmName)} is restored to ${where}`;
}

const examples = `
The VM is copied by the target, from the gateway to the datastore, and does not run meanwhile. All that stands in the
way is said at once, before anything is touched: a name or a folder that is taken, too little space, hardware that can't
come along. A failure, or \`rundirect stop SESSION\`, leaves nothing at the target; the original is never touched.
Every block that is copied is authenticated; --verify before tells damage before hours of copying.

Examples:
  $ rundirect restore --vault /backups/vault --set nightly --vm web01 --target esx1.example --user root --datastore vmfs01
  $ rundirect restore --vault /backups/vault --set nightly --vm web01 --job 000007-20261123T030000Z --name web01-old \\
      --target vcenter.example --user backup@vsphere.local --host esx2.example --datastore vmfs01 --power-on
  $ rundirect restore … --datastore vmfs01 --disk scsi0:1=fast01 --disk scsi0:2=fast01
  $ rundirect restore … --throttle 50MiB/s --detach; rundirect pause web01-k3v9q2m4xa

With --json the last line is the result; each line before it is an event.`;

export function addRestoreVm(restoreCommand: Command, act: Act): void {
  const command = restoreCommand
    .command('vm', { isDefault: true })
    .summary('a whole VM, registered, and powered on if asked for')
    .description('Copies a VM from its backup to production storage and registers it there.');
  addSource(command.optionsGroup('What to restore:')).requiredOption(
    '--vm <name>',
    "the VM's name in the backup",
  );
  for (const option of passphraseOptions()) command.addOption(option);
  addTarget(command.optionsGroup('Where:'), { mandatory: true })
    .requiredOption(
      '--datastore <name>',
      'where the configuration goes, and every disk that --disk does not name',
    )
    .addOption(diskOption())
    .option('--name <name>', "the VM's name on the target (default: as in the backup)");
  addPlacement(command)
    .addOption(siteOption())
    .optionsGroup('How:')
    .addOption(networkOption())
    .option('--power-on', 'power the VM on when it is restored')
    .addOption(
      new Option('--verify <when>', 'check every block of the backup: before the copying, or beside it')
        .choices(verifyModeSchema.options)
        .default('none'),
    )
    .addOption(throttleOption())
    .addOption(guestTimeoutOption())
    .option('--session <id>', "the restore's id (default: from the VM's name)", sessionIdArgument)
    .option('--detach', 'begin, and do not follow')
    .addHelpText('after', examples)
    .action(act(restore));
}
