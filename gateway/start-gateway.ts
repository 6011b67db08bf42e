// Puts a gateway together: state folder, exports, NFS server, control socket, in that order. So no host is told that a
// handle is stale only because its export was not restored yet, and nobody publishes before hosts can mount.
import { type Log, startNfsServer } from '../nfs/index.ts';
import packageJson from '../package.json' with { type: 'json' };
import { openCredentialStore } from '../secrets/index.ts';
import { ImageCache, openVault } from '../vault/index.ts';
import { type GatewayStatus } from './control-api.ts';
import { serveControl } from './control-server.ts';
import { ExportFileSystem } from './export-file-system.ts';
import { Exports, type OpenVm } from './exports.ts';
import { Leases } from './leases.ts';
import { Locks } from './locks.ts';
import { Mounts } from './mounts.ts';
import { Points } from './points.ts';
import { Registry } from './registry.ts';
import { controlSocketPath, lockStateDirectory, makeStateDirectory } from './state-directory.ts';
import { Turns } from './turns.ts';
import { VolumeStore } from './volume-store.ts';

export interface GatewayOptions {
  /** Absolute; made where it is absent. */
  readonly stateDirectory: string;
  /** The address or name that hosts mount: the same string on every host of a cluster. */
  readonly advertise: string;
  /** Where to listen; 0.0.0.0 for all addresses. */
  readonly host: string;
  /** 0 for any free port; ESXi insists on 2049 and 111. */
  readonly ports: {
    readonly nfs: number;
    readonly mount: number;
    readonly portmap: number | 'register' | 'off';
  };
  /** The most that changes may take, in bytes; unlimited but for the file system when absent. */
  readonly spaceLimitBytes?: number;
  readonly log: Log;
}

export interface Gateway extends AsyncDisposable {
  readonly ports: GatewayStatus['ports'];
  readonly controlSocketPath: string;
  /** Takes no more calls, answers those in flight, leaves checkpoints, and lets the state folder go. */
  close(): Promise<void>;
}

/**
 * Starts serving. Throws GatewayError: InvalidInput when another gateway runs on the state folder or the socket's path is
 * too long; NfsServerError: PortInUse and the like.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { stateDirectory, advertise, log } = options;
  const socketPath = controlSocketPath(stateDirectory);
  await makeStateDirectory(stateDirectory);
  await using started = new AsyncDisposableStack();
  started.use(lockStateDirectory(stateDirectory));

  const registry = await Registry.open(stateDirectory);
  const leases = await Leases.open(stateDirectory);
  const turns = await Turns.open(stateDirectory);
  const volumes = new VolumeStore(stateDirectory, await openCredentialStore(stateDirectory));
  const exports = new Exports({
    stateDirectory,
    registry,
    volumes,
    openVm: vaultVms(),
    advertise,
    spaceLimitBytes: options.spaceLimitBytes ?? Number.MAX_SAFE_INTEGER,
    log,
  });
  started.defer(() => exports.close());
  await exports.restore();

  const mounts = new Mounts();
  const nfs = await startNfsServer({
    fileSystem: new ExportFileSystem({
      shares: exports.shares,
      instance: registry.instance,
      totals: (share) => exports.space.totals(share.targetId),
    }),
    host: options.host,
    ports: options.ports,
    log,
    onMount: (path, { address }) => {
      const targetId = exports.shares.at(path)?.share.targetId;
      if (targetId !== undefined) mounts.observe(targetId, address);
    },
  });
  started.use(nfs);

  const startedAt = new Date().toISOString();
  const status = async (): Promise<GatewayStatus> => ({
    pid: process.pid,
    startedAt,
    version: packageJson.version,
    advertise,
    ports: nfs.ports,
    exports: exports.count,
    space: await exports.space.status(),
  });
  const [locks, points] = [new Locks(), new Points(exports)];
  started.use(await serveControl(socketPath, { exports, leases, turns, locks, mounts, points, status }));

  const resources = started.move();
  const close = (): Promise<void> => resources.disposeAsync();
  return { ports: nfs.ports, controlSocketPath: socketPath, close, [Symbol.asyncDispose]: close };
}

/** VMs at their jobs; what the images keep in memory is bounded for the whole gateway. */
function vaultVms(): OpenVm {
  const cache = new ImageCache();
  return async ({ vault, backupSet, jobId, vmName }, setKey) => {
    const set = await (await openVault(vault, { cache })).openSetWithKey(backupSet, setKey);
    return set.openVm(jobId, vmName);
  };
}
