// `rundirect finalize`: takes a session's VM to production storage while it runs, and ends the session there. Shows
// how far it is; `--cancel` calls it off for as long as the VM has not arrived.
import { type Command, Option } from 'commander';
import {
  type CancelFinalizeResult,
  type CardPlace,
  type FinalizeRequest,
  type FinalizeResult,
  SessionMessage,
} from '../../contract/index.ts';
import type { Act } from '../act.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import type { ExitCode } from '../errors/exit-code.ts';
import { onlyOption, sessionId as sessionIdArgument, throttleOption } from '../options/arguments.ts';
import {
  type LocationOptions,
  locationOptions,
  locationRequest,
  nicOption,
} from '../options/location-options.ts';
import { type VmotionOptions, vmotionOptions, vmotionRequest } from '../options/vmotion-options.ts';
import { formatBytes, formatDuration } from '../quantity.ts';
import { askSession } from '../session/ask-session.ts';
import { findStarted } from '../session/session-lookup.ts';
import { finalizeModeWords, showChange } from '../views/session-view.ts';
import { printable } from '../views/table.ts';
import { cancelFinalizeOfBatch, finalizeBatch, type OnlyOption, refuseOnly } from './batch-orders.ts';

interface Options extends LocationOptions, VmotionOptions, OnlyOption {
  readonly name?: string;
  readonly nic?: readonly CardPlace[];
  readonly host?: string;
  readonly folder?: string;
  readonly resourcePool?: string;
  readonly throttle?: number;
  readonly detach?: boolean;
  readonly cancel?: boolean;
}

async function finalize(
  context: Context,
  sessionId: string,
  options: Options,
): Promise<ExitCode | undefined> {
  const { kind } = await findStarted(await context.temporal(), sessionId);
  const isBatch = kind === 'batch';
  if (!isBatch) refuseOnly(options);
  if (options.cancel === true) {
    return isBatch ? cancelFinalizeOfBatch(context, sessionId) : cancel(context, sessionId);
  }
  const { name, nic, host, folder, resourcePool, throttle } = options;
  const request: FinalizeRequest = {
    ...locationRequest(options),
    ...vmotionRequest(options),
    ...(name === undefined ? {} : { name }),
    ...(nic === undefined ? {} : { cards: [...nic] }),
    ...(host === undefined ? {} : { host }),
    ...(folder === undefined ? {} : { folder }),
    ...(resourcePool === undefined ? {} : { resourcePool }),
    ...(throttle === undefined ? {} : { throttle }),
  };
  if (isBatch) {
    const ofOne = name === undefined ? '--original' : '--name';
    if (name === undefined && request.original === undefined) {
      return finalizeBatch(context, sessionId, request, options);
    }
    throw new ClientError('Usage', `${ofOne} is for one VM, and ${sessionId} has several`, {
      hint: 'Leave it out, or finalize its sessions one by one.',
    });
  }
  return options.detach === true ? begin(context, sessionId, request) : run(context, sessionId, request);
}

async function run(context: Context, sessionId: string, request: FinalizeRequest): Promise<undefined> {
  const { terminal } = context;
  const result = await askSession<FinalizeResult>(context, sessionId, {
    what: 'finalize',
    ask: (handle) =>
      handle.executeUpdate<FinalizeResult, [FinalizeRequest]>(SessionMessage.finalize, { args: [request] }),
    onStatus: (status, newEntries) => showChange(terminal, status, newEntries),
  });
  terminal.document({ event: 'result', ...result });
  terminal.print(`Session ${sessionId} is finalized: ${finalizedWords(result)}.`);
  if (result.original?.standsAs !== undefined) {
    terminal.print(`The VM that it replaces is kept as ${printable(result.original.standsAs)}, powered off.`);
  }
  return undefined;
}

/** `its VM is on datastore prod, migrated live, 12 GiB in 3 min 20 s; the guest was never away`. */
function finalizedWords(result: FinalizeResult): string {
  const { datastore, mode, movedBytes, durationMs, guestAwayMs } = result;
  const size = movedBytes === undefined ? '' : `${formatBytes(movedBytes)} `;
  const away = guestAwayMs === 0 ? 'never away' : `away for ${formatDuration(guestAwayMs ?? 0)}`;
  const guest = guestAwayMs === undefined ? '' : `; the guest was ${away}`;
  const where = printable(datastore ?? 'production storage');
  return `its VM is on ${where}, migrated ${finalizeModeWords[mode]}, ${size}in ${formatDuration(durationMs)}${guest}`;
}

async function begin(context: Context, sessionId: string, request: FinalizeRequest): Promise<undefined> {
  const { terminal } = context;
  await askSession(context, sessionId, {
    what: 'finalize',
    ask: (handle) =>
      handle.startUpdate<FinalizeResult, [FinalizeRequest]>(SessionMessage.finalize, {
        args: [request],
        waitForStage: 'ACCEPTED',
      }),
  });
  terminal.document({ event: 'result', sessionId, state: 'finalizing' });
  terminal.print(
    `Session ${sessionId} is being finalized. Watch it with: rundirect watch --follow ${sessionId}`,
  );
  return undefined;
}

async function cancel(context: Context, sessionId: string): Promise<undefined> {
  const { terminal } = context;
  const result = await askSession<CancelFinalizeResult>(context, sessionId, {
    what: 'cancel',
    ask: (handle) => handle.executeUpdate<CancelFinalizeResult, []>(SessionMessage.cancelFinalize),
    onStatus: (status, newEntries) => showChange(terminal, status, newEntries),
  });
  terminal.document({ event: 'result', ...result });
  terminal.print(
    result.state === 'running'
      ? `The finalize of ${sessionId} is called off: its VM runs from the backup as before.`
      : `Too late: the VM of ${sessionId} had arrived in production already, and the session is finalized.`,
  );
  return undefined;
}

const examples = `
What the target can't do, a full datastore and the like are said at once, before anything is touched, and so is the way
that --vmotion auto has found. Until the VM has arrived, a failure or --cancel leaves it running from its backup with
every change, to be finalized again. A verify that still runs is waited for; what it found damaged is not taken to
production. A guest that runs is shut down for the copying only where --vmotion cold says so.

Examples:
  $ rundirect finalize web01-k3v9q2m4xa --datastore vmfs01
  $ rundirect finalize web01-k3v9q2m4xa --datastore vmfs01 --vmotion live --host esx2.example --detach
  $ rundirect finalize web01-k3v9q2m4xa --datastore vmfs01 --disk scsi0:1=fast01 --nic 'ethernet0=VM Network' --name web01
  $ rundirect finalize web01-k3v9q2m4xa --location original --power-off-original
  $ rundirect finalize web01-k3v9q2m4xa --location original --original web01 --power-off-original
  $ rundirect finalize web01-k3v9q2m4xa --datastore datastore1 --vmotion short-outage --guest-away shut-down
  $ rundirect finalize web01-k3v9q2m4xa --datastore vmfs01 --vmotion cold --throttle 50MiB/s
  $ rundirect finalize web01-k3v9q2m4xa --cancel
  $ rundirect finalize nightly-k3v9q2m4xa --datastore vmfs01

Migrations take turns, so many at a time to one datastore, whether sessions or batches began them: two, unless the
site's worker says otherwise (rundirect worker --parallel-migrations). One that waits says for whom, and --cancel ends the
wait. Of a batch, one that fails leaves the others alone.

With --location original, the VM on the target that has the UUID of the one that was backed up is renamed to
NAME.replaced-by-SESSION, and the session's VM takes its place; what is named beside it (--datastore, --host, --folder,
--name, …) holds instead. Where the backup knows no UUID, that VM is named with --original, and must have the disks that
the backup has, called as they are there. After a failure, or --cancel, it is called as before, and powered on again if
it ran.`;

export function addFinalize(program: Command, act: Act): void {
  const command = program
    .command('finalize')
    .summary('migrate a running session to production')
    .description(
      "Migrates a session's VM to production storage while it runs, and removes all else of the session. " +
        'A vCenter with Storage vMotion migrates it live. Elsewhere, and on a host alone, its disks are copied while it ' +
        'runs, and it is suspended for seconds to go on from the copies.',
    )
    .argument('<session>', 'the id of a session, or of a batch: all of it that runs', sessionIdArgument)
    .addOption(onlyOption())
    .option('--datastore <name>', 'where the VM goes, every disk of it that --disk does not name');
  for (const option of [...locationOptions(), ...vmotionOptions()]) command.addOption(option);
  command
    .option('--host <name>', 'another host, or a cluster (default: where it runs)')
    .option('--folder <path>', 'another inventory folder')
    .option('--resource-pool <name>', 'another resource pool')
    .option('--name <name>', "the VM's name from then on (default: as it is)")
    .addOption(nicOption())
    .addOption(throttleOption())
    .option('--detach', 'begin, and do not follow')
    .addOption(
      new Option('--cancel', 'call off the finalize that is under way').conflicts([
        'datastore',
        'guestAway',
        'disk',
        'location',
        'original',
        'powerOffOriginal',
        'removeOriginal',
        'overwrite',
        'host',
        'folder',
        'resourcePool',
        'name',
        'nic',
        'throttle',
        'detach',
        'only',
      ]),
    )
    .addHelpText('after', examples)
    .action(act(finalize));
}
