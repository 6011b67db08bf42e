// `rundirect start`: runs a VM straight from its backup. Starts the session's Workflow and follows it until the
// VM runs and its guest is up.
import { type Command, Option } from 'commander';
import {
  DEFAULT_PARALLEL_MIGRATIONS,
  identitySchema,
  MAX_PARALLEL_STARTS,
  type SessionStatus,
  sessionIdFor,
  verifyModeSchema,
  WorkflowType,
} from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { ExitCode } from '../errors/exit-code.ts';
import { passphraseOptions, sessionId as sessionIdArgument, siteOption } from '../options/arguments.ts';
import { locationOptions, nicOption } from '../options/location-options.ts';
import {
  addPlacement,
  addSource,
  addTarget,
  changesOption,
  guestTimeoutOption,
  networkOption,
  reserveFactorOption,
} from '../options/session-options.ts';
import { gatherFacts, named, type StartOptions, startInput } from '../options/start-input.ts';
import { vmotionOptions } from '../options/vmotion-options.ts';
import { formatDuration } from '../quantity.ts';
import { randomLetters } from '../random-id.ts';
import { awaitSession, exitCodeOf, isSettled } from '../session/await-session.ts';
import { startWorkflow } from '../temporal/start-workflow.ts';
import { sessionFacts } from '../views/session-view.ts';
import { printable } from '../views/table.ts';
import { startBatch } from './start-batch.ts';

function report(context: Context, status: SessionStatus): void {
  const { terminal } = context;
  const { timings, vm, sessionId } = status;
  terminal.document({ event: 'result', session: status });
  terminal.print('');
  terminal.print(sessionFacts(status));
  const name = printable(vm?.name ?? status.vmName);
  const took =
    timings.poweredOnMs === undefined ? '' : `, powered on in ${formatDuration(timings.poweredOnMs)}`;
  terminal.print('');
  if (status.state === 'finalized') {
    terminal.print(terminal.style('bold', `${name} is in production${took}.`));
    return;
  }
  terminal.print(terminal.style('bold', `${name} runs from its backup${took}.`));
  for (const line of nextSteps(sessionId)) terminal.print(terminal.style('dim', line));
}

const nextSteps = (sessionId: string): readonly string[] => [
  `rundirect finalize ${sessionId} --datastore NAME  migrates it to production storage`,
  `rundirect stop ${sessionId}  removes it and discards its changes`,
];

interface Flags extends Omit<StartOptions, 'vm'> {
  readonly vm?: readonly string[];
  readonly all?: boolean;
}

/** One VM is a session; several are a batch of them. */
async function startOneOrMore(context: Context, flags: Flags): Promise<ExitCode | undefined> {
  const { vm: vms = [], all = false, ...options } = flags;
  const [vm] = vms;
  if (all) return startBatch(context, options, undefined);
  if (vm === undefined)
    throw new ClientError('Usage', 'say which VM with --vm, or all of the job with --all');
  return vms.length > 1 ? startBatch(context, options, vms) : start(context, named({ ...options, vm }));
}

async function start(context: Context, options: StartOptions): Promise<ExitCode | undefined> {
  const { terminal } = context;
  const sessionId = options.session ?? sessionIdFor(options.vm, randomLetters());
  const input = startInput(options, await gatherFacts(context, options), sessionId);
  await startWorkflow(await context.temporal(), {
    ...{ type: WorkflowType.runDirect, workflowId: sessionId, input, vm: options.vm, session: input },
  });
  terminal.document({ event: 'started', sessionId });
  terminal.print(`Session ${sessionId}`);
  if (options.detach === true) {
    terminal.document({ event: 'result', sessionId });
    return undefined;
  }
  const enough = input.autoMigrate === undefined ? isSettled : isBack;
  const status = await awaitSession(context, sessionId, enough);
  if (status === undefined || !['running', 'finalized'].includes(status.state)) {
    throw new ClientError('SessionEnded', `session ${sessionId} ended before it ran`, {
      hint: `See its log with: rundirect show ${sessionId}`,
    });
  }
  report(context, status);
  return input.autoMigrate !== undefined && status.state === 'running' ? ExitCode.failed : exitCodeOf(status);
}

/** It was to be migrated at once, and that did not succeed. */
const isBack = ({ state, finalize }: SessionStatus): boolean => state === 'running' && finalize !== undefined;

const examples = `
Examples:
  $ rundirect start --vault /backups/vault --set nightly --vm web01 --target vcenter.example --user backup@vsphere.local
  $ rundirect start --vault /backups/vault --set nightly --vm web01 --name web01-test --network disconnected \\
      --target esx1.example --user root --passphrase-file set.key --password-file root.pw
  $ rundirect start --vault /backups/vault --set nightly --vm web01 --target vcenter.example \\
      --user backup@vsphere.local --auto-migrate --datastore vmfs01
  $ rundirect start --vault /backups/vault --set nightly --vm web01 --name web01-copy --target vcenter.example \\
      --user backup@vsphere.local --host cluster01 --nic ethernet0=Test --mac renew --uuid renew
  $ rundirect start --vault /backups/vault --set nightly --vm web01 --target esx1.example --user root \\
      --changes datastore:vmfs02
  $ rundirect start --vault /backups/vault --set nightly --vm web01 --name web01-new --network disconnected \\
      --target vcenter.example --user backup@vsphere.local --auto-migrate --location original --power-off-original
  $ printf '%s\\n%s\\n' "$PASSPHRASE" "$PASSWORD" | rundirect start … --passphrase-stdin --password-stdin

  $ rundirect start --vault /backups/vault --set nightly --vm web01 db01 app01 --name '{vm}-test' \\
      --network disconnected --target esx1.example --user root
  $ rundirect start --vault /backups/vault --set nightly --all --target vcenter.example --user backup@vsphere.local

With both secrets on standard input, the first line is the passphrase and the second the password.
With --json the last line is the result; each line before it is an event.`;

export function addStart(program: Command, act: Act): void {
  const command = program
    .command('start')
    .summary('run VMs straight from their backup')
    .description(
      'Runs a VM straight from its backup, and follows until it is powered on and its guest is up.\n' +
        `Several VMs are a batch: a session for each, ${MAX_PARALLEL_STARTS} started at a time. One that fails ` +
        'leaves the others alone. Migrations take turns with all others of the site: unless its worker says otherwise, ' +
        `${DEFAULT_PARALLEL_MIGRATIONS} at a time to one datastore.`,
    );
  addSource(command.optionsGroup('What to run:'))
    .option('--vm <name...>', "the VM's name in the backup; several are run as a batch")
    .addOption(new Option('--all', 'all VMs of the job, as a batch').conflicts('vm'));
  for (const option of passphraseOptions()) command.addOption(option);
  addTarget(command.optionsGroup('Where:'), { mandatory: true }).option(
    '--name <name>',
    "the VM's name on the target, {vm} being that in the backup (default: {vm})",
  );
  addPlacement(command, 'host or cluster of the vCenter')
    .addOption(siteOption())
    .optionsGroup('How:')
    .addOption(networkOption())
    .addOption(nicOption())
    .addOption(
      new Option('--mac <what>', 'MAC addresses as in the backup, or new ones')
        .choices(identitySchema.options)
        .default('keep'),
    )
    .addOption(
      new Option(
        '--uuid <what>',
        'UUIDs of BIOS and instance as in the backup, or new ones at the first power-on',
      )
        .choices(identitySchema.options)
        .default('keep'),
    )
    .option('--power-on', 'power the VM on', true)
    .option('--no-power-on', 'register the VM and leave it off')
    .addOption(
      new Option('--verify <when>', "check every block of the backup: beside the VM's run, or before it")
        .choices(verifyModeSchema.options)
        .default('beside'),
    )
    .addOption(guestTimeoutOption())
    .addOption(changesOption())
    .addOption(reserveFactorOption())
    .option(
      '--session <id>',
      "the session's id, or the batch's (default: from the VM's name, or the set's)",
      sessionIdArgument,
    )
    .option('--detach', 'start, and do not follow')
    .optionsGroup('And then:')
    .option('--auto-migrate', 'take the VM to production storage as soon as it runs, as `finalize` does')
    .option('--datastore <name>', 'where --auto-migrate takes it');
  for (const option of [...locationOptions(), ...vmotionOptions()]) command.addOption(option);
  command.addHelpText('after', examples).action(act(startOneOrMore));
}
