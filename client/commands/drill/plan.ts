// What a drill is told, once or by a schedule: the flags, and the Workflow's input with its secrets sealed for the
// drill's name.
import { type Command, InvalidArgumentError } from 'commander';
import {
  type DrillInput,
  drillInputSchema,
  drillWorkflowId,
  MAX_DRILL_VMS,
  targetSubject,
} from '../../../contract/index.ts';
import { seal } from '../../../secrets/index.ts';
import type { Context } from '../../context.ts';
import { ClientError } from '../../errors/client-error.ts';
import {
  duration,
  flagProblems,
  passphraseOptions,
  reportFolder,
  siteOption,
} from '../../options/arguments.ts';
import {
  addPlacement,
  addSource,
  addTarget,
  type PlacementOptions,
  reserveFactorOption,
  type SourceOptions,
} from '../../options/session-options.ts';
import { readSessionSecrets, type SessionSecretOptions } from '../../options/session-secrets.ts';
import { siteKeyForSealing, targetFingerprint } from '../../options/trust.ts';
import { requireWorkers } from '../../temporal/temporal.ts';

export interface PlanOptions extends SourceOptions, SessionSecretOptions, PlacementOptions {
  readonly vm: string[];
  readonly site: string;
  readonly rto?: number;
  readonly guestTimeout?: number;
  readonly reserveFactor: number;
  readonly reportDir?: string;
}

const DEFAULT_GUEST_TIMEOUT_MS = 300_000;

function span(text: string): number {
  const ms = duration(text);
  if (ms === 0) throw new InvalidArgumentError('it must be longer than nothing');
  return ms;
}

/** Adds the flags that `PlanOptions` holds. */
export function addPlanOptions(command: Command): Command {
  addSource(
    command.optionsGroup('What to run:'),
    'the backup job, chosen when the drill runs',
  ).requiredOption(
    '--vm <name...>',
    `the VMs' names in the backup, at most ${MAX_DRILL_VMS}; run in this order`,
  );
  for (const option of passphraseOptions()) command.addOption(option);
  addTarget(command.optionsGroup('Where:'), { mandatory: true });
  return addPlacement(command)
    .addOption(siteOption())
    .optionsGroup('How:')
    .option('--rto <duration>', "the time from a VM's start to its guest's heartbeat that passes", span)
    .option(
      '--guest-timeout <duration>',
      "how long to wait for a guest's heartbeat (default: 5m, or --rto where that is longer)",
      span,
    )
    .addOption(reserveFactorOption())
    .option(
      '--report-dir <dir>',
      "where the site writes the report, a folder for each drill (default: in the site's state folder)",
      reportFolder,
    );
}

/** A guest that comes in time must not be given up before. Throws ClientError Usage. */
function guestTimeoutOf({ rto = 0, guestTimeout }: PlanOptions): number {
  if (guestTimeout === undefined) return Math.max(DEFAULT_GUEST_TIMEOUT_MS, rto);
  if (guestTimeout >= rto) return guestTimeout;
  throw new ClientError('Usage', '--guest-timeout is shorter than --rto: a guest in time would be given up');
}

/** The drill's input. Asks for what is missing; throws ClientError. */
export async function planDrill(context: Context, name: string, options: PlanOptions): Promise<DrillInput> {
  const { site, target } = options;
  const guestTimeoutMs = guestTimeoutOf(options);
  await requireWorkers(await context.temporal(), site);
  const key = await siteKeyForSealing(context, site);
  const fingerprint = await targetFingerprint(context, site, target, options.fingerprint);
  const { passphrase, password } = await readSessionSecrets(options, context.terminal);
  const address = { host: target.host, port: target.port, user: options.user };
  const sealFor = (purpose: string, subject: string, secret: Uint8Array) =>
    seal(key.publicKey, secret, { workflowId: drillWorkflowId(name), purpose, subject });
  const parsed = drillInputSchema.safeParse({
    name,
    site,
    source: {
      vault: options.vault,
      backupSet: options.set,
      jobId: options.job,
      passphrase: sealFor('set-passphrase', options.set, passphrase),
    },
    vms: options.vm.map((vmName) => ({ name: vmName })),
    target: {
      ...address,
      fingerprint,
      password: sealFor('target-password', targetSubject(address), password),
    },
    placement: { host: options.host, folder: options.folder, resourcePool: options.resourcePool },
    rtoMs: options.rto,
    guestTimeoutMs,
    reserveFactor: options.reserveFactor,
    reportFolder: options.reportDir,
  });
  if (!parsed.success) throw new ClientError('Usage', flagProblems(parsed.error), { cause: parsed.error });
  return parsed.data;
}

/** A drill in a line, for Temporal's web page and for lists. */
export function drillSummary({ vms, source, target }: DrillInput): string {
  const names = vms.map(({ name }) => name).join(', ');
  return `drill of ${names.slice(0, 100)} from ${source.backupSet} on ${target.host}`;
}
