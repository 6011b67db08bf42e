// Puts the pieces together: portmap, MOUNT and NFS version 3 over one file system, each on its port.
import { type Caller, type FileSystem } from './file-system.ts';
import { type Log, silentLog } from './log.ts';
import { MountTable } from './mount3/mount-table.ts';
import { MOUNT_PROGRAM, MOUNT_V3, mount3Program } from './mount3/program.ts';
import { NfsServerError } from './nfs-server-error.ts';
import { NFS_PROGRAM, NFS_V3, type Nfs3Counters, nfs3Program } from './nfs3/program.ts';
import { IPPROTO_TCP, type Mapping } from './portmap/mappings.ts';
import { answersPortmap, registerWithPortmap } from './portmap/registration.ts';
import { type Portmapper, servePortmap } from './portmap/server.ts';
import { type RpcProgram } from './rpc/program.ts';
import { RpcServer } from './rpc/server.ts';

const DEFAULT_MAX_TRANSFER_BYTES = 1024 * 1024;
const PORTMAP_PORT = 111;
const SMALLEST_MAX_TRANSFER_BYTES = 4096;

/** What a WRITE's record has beside its data: RPC header with credentials, handle, and the rest of the arguments. */
const RECORD_OVERHEAD_BYTES = 4096;

export interface NfsServerOptions<Node> {
  readonly fileSystem: FileSystem<Node>;
  /** The address to listen on; 0.0.0.0 for all. */
  readonly host: string;
  readonly ports: {
    /** 2049 for ESXi, which has no way to ask for another one. 0: any free port. */
    readonly nfs: number;
    /** Equal to `nfs`: both programs on one port. */
    readonly mount: number;
    /**
     * Where ESXi asks for the other two: 111. A number: this server answers there; or, when a portmapper (rpcbind)
     * runs there already, it is told. 'register': the one on port 111 is told. 'off': nobody is.
     */
    readonly portmap: number | 'register' | 'off';
  };
  readonly log?: Log;
  /** rtmax and wtmax, a multiple of 4096; 1 MiB by default. */
  readonly maxTransferBytes?: number;
  /** Told of each mount that is granted: the proof that a host reaches this server. */
  readonly onMount?: (path: string, caller: Caller) => void;
}

export interface NfsServerStats extends Nfs3Counters {
  readonly connections: number;
  readonly callsInFlight: number;
  /** What MOUNT's DUMP would list. */
  readonly mounts: readonly { readonly address: string; readonly path: string }[];
}

export interface NfsServer extends AsyncDisposable {
  /** The ports that are really listened on. */
  readonly ports: { readonly nfs: number; readonly mount: number; readonly portmap: number | undefined };
  stats(): NfsServerStats;
  /** Takes no more calls, answers those in flight, and closes. The file system stays open: it is the caller's. */
  close(): Promise<void>;
}

/**
 * Starts serving.
 * Throws NfsServerError: PortInUse, AddressUnavailable, PortmapUnavailable, PortmapRefused, InvalidOption.
 */
export async function startNfsServer<Node>(options: NfsServerOptions<Node>): Promise<NfsServer> {
  const { fileSystem, host, ports, log = silentLog } = options;
  const maxTransferBytes = checkTransferBytes(options.maxTransferBytes ?? DEFAULT_MAX_TRANSFER_BYTES);
  const counters: Nfs3Counters = { calls: {}, duplicates: 0 };
  const table = new MountTable();
  const nfs3 = nfs3Program(fileSystem, { maxTransferBytes }, counters, log);
  const mount3 = mount3Program({ fileSystem, table, log, onMount: options.onMount ?? (() => undefined) });
  const common = { host, log, maxRecordBytes: maxTransferBytes + RECORD_OVERHEAD_BYTES };

  await using started = new AsyncDisposableStack();
  const servers: RpcServer[] = [];
  const listen = async (port: number, purpose: string, programs: RpcProgram[]): Promise<RpcServer> => {
    const server = await RpcServer.listen({ ...common, port, purpose, programs });
    servers.push(server);
    started.defer(() => server.close());
    return server;
  };
  const isShared = ports.nfs === ports.mount;
  const nfs = await listen(ports.nfs, isShared ? 'NFS and MOUNT' : 'NFS', isShared ? [nfs3, mount3] : [nfs3]);
  const mount = isShared ? nfs : await listen(ports.mount, 'MOUNT', [mount3]);
  const portmap = await announce(ports.portmap, host, mappingsOf(nfs.port, mount.port), log);
  if (portmap !== undefined) started.defer(() => portmap.close());

  const resources = started.move();
  const close = (): Promise<void> => resources.disposeAsync();
  return {
    ports: { nfs: nfs.port, mount: mount.port, portmap: portmap?.port },
    stats: () => ({
      ...counters,
      connections: sum(servers, (server) => server.connections),
      callsInFlight: sum(servers, (server) => server.callsInFlight),
      mounts: table.list(),
    }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function mappingsOf(nfsPort: number, mountPort: number): Mapping[] {
  return [
    { program: NFS_PROGRAM, version: NFS_V3, protocol: IPPROTO_TCP, port: nfsPort },
    { program: MOUNT_PROGRAM, version: MOUNT_V3, protocol: IPPROTO_TCP, port: mountPort },
  ];
}

/** Makes the ports known, by a portmapper of our own or through the one that runs. */
async function announce(
  how: NfsServerOptions<never>['ports']['portmap'],
  host: string,
  mappings: readonly Mapping[],
  log: Log,
): Promise<Portmapper | undefined> {
  if (how === 'off') return undefined;
  if (how === 'register') return await registerWithPortmap(PORTMAP_PORT, mappings, log);
  try {
    return await servePortmap({ host, port: how, mappings, log });
  } catch (error) {
    const isTaken = error instanceof NfsServerError && error.code === 'PortInUse';
    if (!isTaken || how === 0 || !(await answersPortmap(how))) throw error;
    log.info({ port: how }, 'A portmapper runs already: registering with it');
    return await registerWithPortmap(how, mappings, log);
  }
}

function checkTransferBytes(bytes: number): number {
  if (bytes % 4096 === 0 && bytes >= SMALLEST_MAX_TRANSFER_BYTES) return bytes;
  throw new NfsServerError('InvalidOption', `maxTransferBytes of ${bytes}: give a multiple of 4096`);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
