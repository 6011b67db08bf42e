// The whole house on one machine: Temporal, lab, and for each site a gateway and a worker, as the real processes
// on free ports of loopback, in one folder of their own. Nothing of the user's is read or written. The demo and
// the end-to-end tests run on it; whatever they kill, they start again here.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { siteTaskQueue, WORKFLOW_TASK_QUEUE } from '../contract/index.ts';
import type { Lab } from '../lab/lab.ts';
import {
  type CommandOptions,
  type CommandResult,
  jsonLines,
  launcher,
  runCommandLine,
} from './command-line.ts';
import { freePorts } from './free-ports.ts';
import { labProcess } from './lab-process.ts';
import { ManagedProcess } from './managed-process.ts';
import { type TemporalReady, temporalServer } from './temporal-server.ts';

export interface StackOptions {
  readonly model: 'esx' | 'vcenter';
  /** Default: one site, `main`. */
  readonly sites?: readonly string[];
  /** The most that changes may take at a gateway, as its flag `--space` has it; default: what is free. */
  readonly space?: string;
  /** The processes go on when we end; somebody ends them by their pids. */
  readonly outlivesUs?: boolean;
  /** Told as each part is ready. */
  readonly onReady?: OnReady;
}
type OnReady = (part: string, detail: string) => void;

type ReadyLine = Readonly<Record<string, unknown>>;

export interface Site {
  readonly name: string;
  /** What hosts mount: an address of loopback, another one for each site. */
  readonly address: string;
  readonly stateFolder: string;
  readonly nfsPort: number;
  readonly mountPort: number;
  readonly gateway: ManagedProcess<ReadyLine>;
  readonly worker: ManagedProcess<ReadyLine>;
}

export interface Stack extends AsyncDisposable {
  /** Everything of the run lies in here; removed at the end. */
  readonly folder: string;
  readonly logFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly temporal: ManagedProcess<TemporalReady>;
  readonly lab: ManagedProcess<Lab>;
  readonly sites: readonly Site[];
  /** The first site. */
  readonly site: Site;
  /** Starts all parts, in their order; ends them again if one does not come up. */
  start(): Promise<void>;
  rundirect(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Ends all processes in their order; `keepFolder` leaves the logs to be read. */
  close(options?: { readonly keepFolder?: boolean }): Promise<void>;
}

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;

/** Makes a stack and starts all of it. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const stack = await createStack(options);
  await stack.start();
  return stack;
}

/** Lays everything out, and starts nothing yet. */
export async function createStack(options: StackOptions): Promise<Stack> {
  return layStack(await mkdtemp(path.join(tmpdir(), 'rundirect-')), options);
}

type Parts = Pick<Stack, 'temporal' | 'lab' | 'sites'>;

async function startParts({ temporal, lab, sites }: Parts, onReady: OnReady): Promise<void> {
  onReady('Temporal', (await temporal.start()).webUi);
  for (const { name, gateway, address, nfsPort } of sites) {
    await gateway.start();
    onReady(`gateway of site ${name}`, `NFS on ${address}:${nfsPort}`);
  }
  onReady('lab', (await lab.start()).url);
  for (const { name, worker } of sites) {
    await worker.start();
    onReady(`worker of site ${name}`, `Task Queues ${WORKFLOW_TASK_QUEUE}, ${siteTaskQueue(name)}`);
  }
}

/** The lab before the gateways: its hosts let go of their datastores while somebody still answers. */
async function stopParts({ temporal, lab, sites }: Parts): Promise<void> {
  for (const { worker } of sites) await worker.stop();
  await lab.stop();
  for (const { gateway } of sites) await gateway.stop();
  await temporal.stop();
}

async function layStack(folder: string, options: StackOptions): Promise<Stack> {
  const logFolder = path.join(folder, 'logs');
  await mkdir(logFolder);
  const siteNames = options.sites ?? ['main'];
  const outlivesUs = options.outlivesUs ?? false;
  // CreateNasDatastore has no field for ports, and the lab one setting: the sites share them, on their own addresses.
  const [temporalPort = 0, uiPort = 0, labPort = 0, nfsPort = 0, mountPort = 0] = await freePorts(5);
  const env = await privateEnvironment(folder, `127.0.0.1:${temporalPort}`);
  const temporal = await temporalServer({ port: temporalPort, uiPort, folder, logFolder, outlivesUs });
  const sites = await Promise.all(
    siteNames.map((name, index) =>
      laySite({
        name,
        address: `127.0.0.${1 + index}`,
        ...{ nfsPort, mountPort, folder, logFolder, env, outlivesUs, space: options.space },
      }),
    ),
  );
  const lab = await labProcess({
    ...{ model: options.model, directory: path.join(folder, 'lab'), port: labPort, nfsPort, mountPort },
    ...{ logFolder, env, outlivesUs },
  });
  const [site] = sites;
  if (site === undefined) throw new Error('a stack has at least one site');

  const parts = { temporal, lab, sites };
  const close: Stack['close'] = async ({ keepFolder = false } = {}) => {
    await stopParts(parts);
    if (!keepFolder) await rm(folder, { recursive: true, force: true });
  };
  return {
    ...{ folder, logFolder, env, ...parts, site, close },
    async start() {
      await startParts(parts, options.onReady ?? (() => undefined)).catch(async (error: unknown) => {
        await close({ keepFolder: true });
        throw error;
      });
    },
    rundirect: (args, commandOptions) => runCommandLine(args, env, commandOptions),
    [Symbol.asyncDispose]: () => close(),
  };
}

interface SitePlan extends Pick<Site, 'name' | 'address' | 'nfsPort' | 'mountPort'> {
  readonly folder: string;
  readonly logFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly outlivesUs: boolean;
  readonly space: string | undefined;
}

async function laySite(plan: SitePlan): Promise<Site> {
  const { name, address, nfsPort, mountPort, env, logFolder, outlivesUs } = plan;
  const stateFolder = path.join(plan.folder, `site-${name}`);
  await mkdir(stateFolder, { mode: 0o700 });
  const common = {
    ...{ env, logFolder, outlivesUs },
    readiness: (output: string) => jsonLines(output)[0],
    readyLimitMs: READY_LIMIT_MS,
    stopLimitMs: STOP_LIMIT_MS,
  };
  const gateway = new ManagedProcess<ReadyLine>({
    ...common,
    name: `gateway-${name}`,
    command: [
      ...([launcher, 'gateway', '--json', '--site', name, '--state', stateFolder] as const),
      ...['--advertise', address, '--host', address, '--no-portmap'],
      ...['--nfs-port', String(nfsPort), '--mount-port', String(mountPort)],
      ...(plan.space === undefined ? [] : ['--space', plan.space]),
    ],
  });
  const worker = new ManagedProcess<ReadyLine>({
    ...common,
    name: `worker-${name}`,
    command: [launcher, 'worker', '--json', '--site', name, '--state', stateFolder],
  });
  return { name, address, nfsPort, mountPort, stateFolder, gateway, worker };
}

/** The user's environment without what is the user's: own XDG folders, this Temporal and no other. */
async function privateEnvironment(folder: string, temporalAddress: string): Promise<NodeJS.ProcessEnv> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_')),
  );
  const own: Record<string, string> = {};
  for (const [variable, name] of [
    ['XDG_CONFIG_HOME', 'config'],
    ['XDG_STATE_HOME', 'state'],
    ['XDG_RUNTIME_DIR', 'run'],
  ] as const) {
    own[variable] = path.join(folder, name);
    await mkdir(own[variable], { mode: 0o700 });
  }
  return { ...env, ...own, TEMPORAL_ADDRESS: temporalAddress };
}
