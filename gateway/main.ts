// `rundirect gateway`: the process that serves a site's exports, and `rundirect gateway status`, which asks one.
import { writeSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander';
import { NfsServerError } from '../nfs/index.ts';
import { GatewayClient } from './gateway-client.ts';
import { GatewayError, messageOf } from './gateway-error.ts';
import { openLog } from './open-log.ts';
import { startGateway } from './start-gateway.ts';
import { controlSocketPath, siteStateDirectory } from './state-directory.ts';
import { statusText } from './status-text.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const NFS_PORT = 2049;
const MOUNT_PORT = 20048;
const PORTMAP_PORT = 111;
/** A gateway that hangs, or whose disk does, is told of; nobody waits for it at a terminal. */
const STATUS_SILENCE_MS = 10_000;
/** As its worker takes it (contract/names.ts). */
const SITE_NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;
const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?$/;

const examples = `
Examples:
  $ rundirect gateway --advertise 10.1.0.5                     site "main", on ports 2049, 20048 and 111
  $ rundirect gateway --site paris --state /srv/rundirect --advertise gw.paris.example
  $ rundirect gateway --advertise 127.0.0.1 --host 127.0.0.1 --nfs-port 0 --mount-port 0 --no-portmap
  $ rundirect gateway status                                   exports, space, leases, turns and mounts of it

Hosts mount the advertised name or address: it must be the same string on every host of a cluster, and reach this
machine. ESXi asks for NFS on 2049 and the portmapper on 111; where rpcbind runs, the gateway registers with it. SIGTERM
ends it in order; VMs that run from it wait and go on when it is back within 140 s. It keeps what they changed.`;

interface SiteFlags {
  readonly site: string;
  readonly state?: string;
  readonly json: boolean;
}

interface ServeFlags extends SiteFlags {
  readonly advertise?: string;
  readonly host: string;
  readonly nfsPort: number;
  readonly mountPort: number;
  /** false: --no-portmap */
  readonly portmap: boolean;
  readonly portmapPort: number;
  readonly space?: number;
}

const program = withSite(new Command('rundirect gateway'))
  .description("Serve a site's exports to its hosts over NFS")
  .enablePositionalOptions()
  .option('--advertise <address>', 'the name or address of this machine that hosts mount (needed)', hostName)
  .option('--host <address>', 'the address to listen on', '0.0.0.0')
  .option('--nfs-port <port>', 'port of NFS; 0: any free one', port, NFS_PORT)
  .option('--mount-port <port>', 'port of MOUNT; the same as NFS: both on one', port, MOUNT_PORT)
  .option('--portmap-port <port>', 'port of the portmapper', port, PORTMAP_PORT)
  .addOption(new Option('--no-portmap', 'announce the ports to nobody'))
  .option('--space <size>', 'the most that changes may take, as 200GiB (default: what is free)', size)
  .addHelpText('after', examples)
  .showHelpAfterError('(rundirect gateway --help shows examples)')
  .exitOverride(leave)
  .action(serve);

withSite(program.command('status'))
  .description('show exports, space, leases, turns and mounts of the running gateway')
  .exitOverride(leave)
  .action(status);

function withSite(command: Command): Command {
  return command
    .option('--site <name>', 'the site that is served', siteName, 'main')
    .option('--state <folder>', "the site's state folder, shared with its worker (default: the user's own)")
    .option('--json', 'print one line of JSON', false);
}

/** Commander has said what is wrong. */
function leave(error: CommanderError): never {
  if (error.exitCode === 0) process.exit(0);
  tellFailure('Usage', error.message.replace(/^error: /, ''));
  process.exit(EXIT_USAGE);
}

/** For scripts, beside the words on standard error. */
function tellFailure(type: string, message: string): void {
  if (process.argv.includes('--json')) tell(JSON.stringify({ error: { type, message } }));
}

function siteName(text: string): string {
  if (SITE_NAME.test(text)) return text;
  throw new InvalidArgumentError('a site is named with up to 31 of a-z, 0-9 and -, not starting with -');
}

/** `200GiB`, `1.5TiB`, or plain bytes. */
function size(text: string): number {
  const [, amount, unit = ''] = /^([0-9]+(?:\.[0-9]+)?)(KiB|MiB|GiB|TiB)?$/.exec(text) ?? [];
  if (amount === undefined) throw new InvalidArgumentError('a size is a number with KiB, MiB, GiB or TiB');
  return Math.floor(Number(amount) * 1024 ** ['', 'KiB', 'MiB', 'GiB', 'TiB'].indexOf(unit));
}

/** A host that mounts it would say no more than that it can't. */
function hostName(text: string): string {
  if (isIP(text) !== 0 || HOST_NAME.test(text)) return text;
  throw new InvalidArgumentError('hosts mount a name or an IP address');
}

function port(text: string): number {
  const number = Number(text);
  if (/^[0-9]+$/.test(text) && number <= 65535) return number;
  throw new InvalidArgumentError('a port is a number from 0 to 65535');
}

const stateDirectoryOf = ({ site, state }: SiteFlags): string => resolve(state ?? siteStateDirectory(site));

async function serve(flags: ServeFlags): Promise<void> {
  const { site, advertise, host } = flags;
  if (advertise === undefined) {
    return program.error("error: --advertise is needed: this machine's name or address as the hosts know it");
  }
  const log = openLog(site);
  const stateDirectory = stateDirectoryOf(flags);
  const ending = endingSignal();
  await using gateway = await startGateway({
    stateDirectory,
    advertise,
    host,
    ports: {
      nfs: flags.nfsPort,
      mount: flags.mountPort,
      portmap: flags.portmap ? flags.portmapPort : 'off',
    },
    ...(flags.space !== undefined && { spaceLimitBytes: flags.space }),
    log,
  });
  const { ports } = gateway;
  tell(
    flags.json
      ? JSON.stringify({ ready: true, site, advertise, host, ports, stateDirectory, pid: process.pid })
      : `Gateway of site ${site} is ready: NFS ${host}:${ports.nfs}, MOUNT ${ports.mount}, portmap ${ports.portmap ?? 'off'}\n` +
          `Hosts mount ${advertise}; state in ${stateDirectory}`,
  );
  await ending;
  log.info({}, 'the gateway is ending');
}

/** Resolves at the first SIGINT or SIGTERM. */
function endingSignal(): Promise<void> {
  return new Promise((resolveEnding) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolveEnding();
      });
    }
  });
}

async function status(flags: SiteFlags): Promise<void> {
  const client = new GatewayClient(controlSocketPath(stateDirectoryOf(flags)), {
    silenceMs: STATUS_SILENCE_MS,
  });
  const shown = {
    gateway: await client.status(),
    exports: await client.exports(),
    leases: await client.leases(),
    mounts: await client.mounts(),
    turns: await client.turns(),
  };
  print(flags.json ? JSON.stringify(shown) : statusText(shown));
}

function print(text: string): void {
  writeSync(1, `${text}\n`);
}

/** To whoever reads it, who may be gone, or whose disk be full: VMs need the gateway all the same. */
function tell(text: string): void {
  try {
    print(text);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

function explain(error: unknown): string {
  if (error instanceof NfsServerError && error.code === 'PortInUse') {
    return `${error.message} Or choose others: --nfs-port, --mount-port, --portmap-port, --no-portmap (ESXi itself insists on 2049 and 111).`;
  }
  return messageOf(error);
}

try {
  await program.parseAsync();
} catch (error) {
  const message = explain(error);
  const type = error instanceof GatewayError || error instanceof NfsServerError ? error.code : 'Unexpected';
  tellFailure(type, message);
  process.stderr.write(`rundirect gateway: ${message}\n`);
  process.exitCode =
    error instanceof GatewayError && error.code === 'InvalidInput' ? EXIT_USAGE : EXIT_FAILED;
}
