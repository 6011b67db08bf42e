// What `start` is told: its flags, the facts of the moment, and the Workflow's input that both make, with its secrets
// sealed for the one session that may open them.
import { performance } from 'node:perf_hooks';
import {
  type CardPlace,
  type Identity,
  type SealedSecret,
  type StartInput,
  startInputSchema,
  targetSubject,
  type VerifyMode,
} from '../../contract/index.ts';
import { seal } from '../../secrets/index.ts';
import type { Context } from '../context.ts';
import { ClientError } from '../errors/client-error.ts';
import { requireWorkers } from '../temporal/temporal.ts';
import { flagProblems } from './arguments.ts';
import { type LocationOptions, locationRequest } from './location-options.ts';
import type { ChangesOptions, PlacementOptions, SourceOptions } from './session-options.ts';
import { readSessionSecrets, type SessionSecretOptions } from './session-secrets.ts';
import { siteKeyForSealing, targetFingerprint } from './trust.ts';
import { type VmotionOptions, vmotionRequest } from './vmotion-options.ts';

export interface StartOptions
  extends SourceOptions,
    SessionSecretOptions,
    PlacementOptions,
    LocationOptions,
    VmotionOptions,
    ChangesOptions {
  readonly vm: string;
  readonly name?: string;
  readonly network: 'original' | 'disconnected';
  readonly nic?: readonly CardPlace[];
  readonly mac?: Identity;
  readonly uuid?: Identity;
  readonly powerOn: boolean;
  readonly verify: VerifyMode;
  readonly guestTimeout: number;
  readonly reserveFactor: number;
  readonly autoMigrate?: boolean;
  readonly detach?: boolean;
  readonly site: string;
  readonly session?: string;
}

/** What only the moment knows: who seals, with what, when. */
export interface StartFacts {
  readonly commandedAtMs: number;
  readonly fingerprint: string;
  readonly siteKey: string;
  readonly passphrase: Uint8Array;
  readonly password: Uint8Array;
}

/** A session's input from the command line. Throws ClientError Usage where they don't make one. */
export function startInput(options: StartOptions, facts: StartFacts, sessionId: string): StartInput {
  return filledIn(options, facts, sealedSecrets(options, facts, sessionId), sessionId);
}

function filledIn(
  options: StartOptions,
  facts: Pick<StartFacts, 'commandedAtMs' | 'fingerprint'>,
  sealed: Sealed,
  sessionId: string,
): StartInput {
  const parsed = startInputSchema.safeParse({
    ...baseInput(options, facts, sealed, sessionId),
    placement: {
      name: options.name,
      host: options.host,
      folder: options.folder,
      resourcePool: options.resourcePool,
      network: options.network,
      cards: options.nic,
      mac: options.mac,
      uuid: options.uuid,
    },
    powerOn: options.powerOn,
    verify: options.verify,
    guestTimeoutMs: options.guestTimeout,
    reserveFactor: options.reserveFactor,
    ...(options.changes === 'gateway' ? {} : { changes: options.changes }),
    ...autoMigrate(options),
  });
  if (!parsed.success) throw new ClientError('Usage', flagProblems(parsed.error), { cause: parsed.error });
  return parsed.data;
}

/** What is said of every session: its name, who works for it, where its VM comes from, and to which target it goes. */
export const baseInput = (
  options: Pick<StartOptions, 'site' | 'vault' | 'set' | 'job' | 'vm' | 'target' | 'user'>,
  { commandedAtMs, fingerprint }: Pick<StartFacts, 'commandedAtMs' | 'fingerprint'>,
  { passphrase, password }: Sealed,
  sessionId: string,
) => ({
  ...{ sessionId, site: options.site, commandedAtMs },
  source: {
    vault: options.vault,
    backupSet: options.set,
    jobId: options.job,
    vmName: options.vm,
    passphrase,
  },
  target: { ...addressOf(options), fingerprint, password },
});

/** Throws ClientError Usage where the flags can't make a session, whatever the secrets are. */
function checkFlags(options: Omit<StartOptions, 'vm'>): void {
  const secret: SealedSecret = { version: 1, sealedTo: '', ephemeralKey: '', ciphertext: '' };
  const facts = { commandedAtMs: 0, fingerprint: '0'.repeat(64) };
  filledIn({ ...options, vm: 'vm' }, facts, { passphrase: secret, password: secret }, 'none');
}

interface Sealed {
  readonly passphrase: SealedSecret;
  readonly password: SealedSecret;
}

/** The same two secrets, for this Workflow alone. */
export function sealedSecrets(
  options: Pick<StartOptions, 'set' | 'target' | 'user'>,
  facts: StartFacts,
  workflowId: string,
): Sealed {
  const sealFor = (purpose: string, subject: string, secret: Uint8Array): SealedSecret =>
    seal(facts.siteKey, secret, { workflowId, purpose, subject });
  return {
    passphrase: sealFor('set-passphrase', options.set, facts.passphrase),
    password: sealFor('target-password', targetSubject(addressOf(options)), facts.password),
  };
}

const addressOf = ({ target, user }: Pick<StartOptions, 'target' | 'user'>) => ({
  host: target.host,
  port: target.port,
  user,
});

function autoMigrate(options: StartOptions): Pick<StartInput, 'autoMigrate'> {
  const { autoMigrate: wanted, datastore, disk, location } = options;
  if (wanted === true) {
    return { autoMigrate: { ...locationRequest(options), ...vmotionRequest(options) } };
  }
  const { original, powerOffOriginal, removeOriginal, overwrite } = options;
  const all = [datastore, disk, location, original, powerOffOriginal, removeOriginal, overwrite];
  if (all.every((each) => each === undefined)) return {};
  throw new ClientError(
    'Usage',
    '--datastore, --disk, --location and what goes with them say where --auto-migrate takes the VM: give both, or neither',
  );
}

/** With the VM's name in the backup where `--name` says `{vm}`. */
export function named(options: StartOptions): StartOptions {
  const { name, vm } = options;
  return name === undefined ? options : { ...options, name: name.replaceAll('{vm}', vm) };
}

/** Makes sure that the flags fit together and somebody is there to do it, and asks for what is missing. Throws ClientError. */
export async function gatherFacts(context: Context, options: Omit<StartOptions, 'vm'>): Promise<StartFacts> {
  checkFlags(options);
  return askFacts(context, options);
}

/** Makes sure that somebody is there to do it, and asks for what is missing. Throws ClientError. */
export async function askFacts(
  context: Context,
  options: SessionSecretOptions & Pick<StartOptions, 'site' | 'fingerprint'>,
): Promise<StartFacts> {
  const { site, target } = options;
  await requireWorkers(await context.temporal(), site);
  const key = await siteKeyForSealing(context, site);
  const fingerprint = await targetFingerprint(context, site, target, options.fingerprint);
  const { passphrase, password, typed } = await readSessionSecrets(options, context.terminal);
  // Typing is the person's time, so with prompts the clock starts at the last answer.
  const commandedAtMs = Math.floor(typed ? Date.now() : performance.timeOrigin);
  return { commandedAtMs, fingerprint, siteKey: key.publicKey, passphrase, password };
}
