// What is said of a session, and of whatever else is tried at a target, on the command line: where from, where to and
// how. Each group is added by one function, made anew for each command, and has the type of what it leaves behind.
import { type Command, Option } from 'commander';
import { type ChangesPlace, LATEST_JOB, type TargetAddress } from '../../contract/index.ts';
import {
  backupSetName,
  certificateFingerprint,
  changesPlace,
  duration,
  factor,
  targetAddress,
  vaultOption,
} from './arguments.ts';

const DEFAULT_GUEST_TIMEOUT = '5m';
const DEFAULT_RESERVE_FACTOR = 1.5;

export interface SourceOptions {
  readonly vault: string;
  readonly set: string;
  readonly job: string;
}

/** All of where it comes from but the VM, of which one command takes one and another several. */
export const addSource = (command: Command, job = 'the backup job'): Command =>
  command
    .addOption(vaultOption())
    .requiredOption('--set <name>', 'the backup set', backupSetName)
    .option('--job <id>', job, LATEST_JOB);

export interface TargetOptions {
  readonly target: TargetAddress;
  readonly user: string;
  readonly fingerprint?: string;
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
}

/** The target, and the account there. */
export const addTarget = (command: Command, { mandatory }: { readonly mandatory: boolean }): Command =>
  command
    .addOption(
      new Option('--target <host[:port]>', 'the vCenter or ESXi host')
        .argParser(targetAddress)
        .makeOptionMandatory(mandatory),
    )
    .addOption(new Option('--user <name>', 'account at the target').makeOptionMandatory(mandatory))
    .option(
      '--fingerprint <sha256>',
      "SHA-256 of the target's certificate (default: as pinned)",
      certificateFingerprint,
    )
    .addOption(
      new Option('--password-file <file>', 'read its password from this file').conflicts('passwordStdin'),
    )
    .option('--password-stdin', 'read its password from standard input');

export interface PlacementOptions {
  readonly host?: string;
  readonly folder?: string;
  readonly resourcePool?: string;
}

/** Where at the target. */
export const addPlacement = (command: Command, host = 'host of the vCenter'): Command =>
  command
    .option('--host <name>', host)
    .option('--folder <path>', 'inventory folder')
    .option('--resource-pool <name>', 'resource pool');

export const networkOption = (): Option =>
  new Option('--network <mode>', 'networks as in the backup, or every NIC unplugged')
    .choices(['original', 'disconnected'])
    .default('original');

export const guestTimeoutOption = (): Option =>
  new Option('--guest-timeout <duration>', "how long to wait for the guest's heartbeat; 0: not at all")
    .argParser(duration)
    .default(duration(DEFAULT_GUEST_TIMEOUT), DEFAULT_GUEST_TIMEOUT);

/** What `--changes` leaves behind. */
export interface ChangesOptions {
  readonly changes: 'gateway' | ChangesPlace;
}

export const changesOption = (): Option =>
  new Option(
    '--changes <where>',
    "where the guest's changes go: gateway, or datastore:NAME for a production datastore",
  )
    .argParser(changesPlace)
    .default('gateway');

export const reserveFactorOption = (): Option =>
  new Option('--reserve-factor <n>', 'room for changes, times the provisioned size')
    .argParser(factor)
    .default(DEFAULT_RESERVE_FACTOR);
