// A site of a stack that a user has settled into: its key is pinned, there is a vault, the secrets lie in files that
// only this user can read. Its verbs are the command line's, run with --json as a script would.
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { BackupResult, SessionStatus, VaultListResult } from '../contract/index.ts';
import type { NewLabVm } from '../lab/lab.ts';
import type { CommandOptions, CommandResult } from './command-line.ts';
import { createLabVm, type LabVm, labVmByMoref } from './lab-vm.ts';
import type { Site, Stack } from './stack.ts';

/** A step that lost its worker is given to the next one after a while. */
const WATCH_LIMIT_MS = 240_000;

export interface House {
  readonly stack: Stack;
  readonly site: Site;
  readonly vault: string;
  readonly passphrase: string;
  readonly passphraseFile: string;
  readonly passwordFile: string;
  /** Flags of `start` that name the target and bring its password. */
  readonly targetFlags: readonly string[];
  /** Runs `rundirect --json ARGS`. */
  run(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** The same, and throws with what was said unless it ended with 0; answers the last JSON document. */
  succeed(args: readonly string[], options?: CommandOptions): Promise<Record<string, unknown>>;
  backup(set: string, ...folders: string[]): Promise<BackupResult>;
  list(): Promise<VaultListResult>;
  startFlags(set: string, vm: string): string[];
  start(set: string, vm: string, ...flags: string[]): Promise<SessionStatus>;
  show(session: string): Promise<SessionStatus>;
  /** The same; undefined while no worker answers for it: for a while after one was killed. */
  showNow(session: string): Promise<SessionStatus | undefined>;
  /** Follows it until it runs or is over; with `--follow` until it is over. How it is then. */
  watch(session: string, ...flags: string[]): Promise<SessionStatus>;
  stop(session: string): Promise<void>;
  /** Makes a VM on a production datastore, powered off, with the guest's disk. */
  createVm(name: string, options?: Omit<NewLabVm, 'name'>): Promise<LabVm>;
  /** The VM of a running session, to be looked at and used as any other. */
  sessionVm(session: SessionStatus): Promise<LabVm>;
}

/** At the stack's first site, unless another one is named. */
export async function openHouse(stack: Stack, site: Site = stack.site): Promise<House> {
  const { lab } = stack;
  const folder = path.join(stack.folder, `house-${site.name}`);
  await mkdir(folder);
  const { host, port, user, fingerprint, password } = lab.ready;
  const passphrase = `passphrase-${randomBytes(12).toString('hex')}`;
  const passphraseFile = path.join(folder, 'set.passphrase');
  const passwordFile = path.join(folder, 'target.password');
  await writeFile(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  const vault = path.join(folder, 'vault');
  await mkdir(vault);

  const run: House['run'] = (args, options) => stack.rundirect(['--json', ...args], options);
  const succeed: House['succeed'] = async (args, options) => {
    const result = await run(args, options);
    const last = result.documents.at(-1);
    if (result.code !== 0 || last === undefined)
      throw new Error(
        `rundirect ${args.join(' ')} ended with ${result.code}:\n${result.stderr}${result.stdout.slice(-4000)}`,
      );
    return last;
  };
  const siteFlags = ['--site', site.name];
  const passphraseFlags = ['--passphrase-file', passphraseFile];
  const targetFlags = [
    ...['--target', `${host}:${port}`, '--user', user],
    ...['--fingerprint', fingerprint, '--password-file', passwordFile],
  ];
  const startFlags: House['startFlags'] = (set, vm) => [
    ...['start', '--vault', vault, '--set', set, '--vm', vm],
    ...siteFlags,
    ...targetFlags,
    ...passphraseFlags,
  ];
  const showNow: House['showNow'] = async (session) =>
    ((await succeed(['show', session]))['session'] as SessionStatus | null) ?? undefined;
  const show: House['show'] = async (session) => {
    const status = await showNow(session);
    if (status === undefined) throw new Error(`no worker answers for session ${session}`);
    return status;
  };
  await succeed(['site', 'pin', ...siteFlags, '--fingerprint', fingerprintOf(site.worker.ready)]);
  await succeed(['vault', 'init', ...siteFlags, '--vault', vault]);
  return {
    ...{
      stack,
      site,
      vault,
      passphrase,
      passphraseFile,
      passwordFile,
      targetFlags,
      run,
      succeed,
      startFlags,
    },
    async backup(set, ...folders) {
      const flags = ['--vault', vault, '--set', set, ...siteFlags, ...passphraseFlags];
      const last = await succeed(['backup', ...flags, ...folders]);
      return last['result'] as BackupResult;
    },
    list: async () =>
      (await succeed(['vault', 'list', ...siteFlags, '--vault', vault])) as unknown as VaultListResult,
    async start(set, vm, ...flags) {
      const last = await succeed([...startFlags(set, vm), ...flags]);
      return last['session'] as SessionStatus;
    },
    show,
    showNow,
    async watch(session, ...flags) {
      await run(['watch', session, ...flags], { limitMs: WATCH_LIMIT_MS });
      return show(session);
    },
    async stop(session) {
      await succeed(['stop', session]);
    },
    createVm: (name, options) => createLabVm(lab.ready, { ...options, name }),
    async sessionVm({ vm }) {
      if (vm === undefined) throw new Error('the session has no VM');
      return labVmByMoref(lab.ready, vm.moref);
    },
  };
}

const workerReadySchema = z.object({ siteKey: z.object({ fingerprint: z.string() }) });

/** Of the site's key, as its worker prints it at its start. */
const fingerprintOf = (ready: unknown): string => workerReadySchema.parse(ready).siteKey.fingerprint;
