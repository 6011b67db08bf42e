// Puts the pieces together: portmap, MOUNT and NFS version 3 over one file system, each on its port.
import { type Caller, type FileSystem } from './file-system.ts';
import { type Log, silentLog } from './log.ts';
import { MountTable } from './mount3/mount-table.ts';
import { mount3Program } from './mount3/program.ts';
import { NfsServerError } from './nfs-server-error.ts';
import { type Nfs3Counters, nfs3Program } from './nfs3/program.ts';
import { RpcServer } from './rpc/server.ts';

const DEFAULT_MAX_TRANSFER_BYTES = 1024 * 1024;
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
  readonly ports: { readonly nfs: number; readonly mount: number };
  stats(): NfsServerStats;
  /** Takes no more calls, answers those in flight, and closes. The file system stays open: it is the caller's. */
  close(): Promise<void>;
}

/** Starts serving. Throws NfsServerError: PortInUse, AddressUnavailable, InvalidOption. */
export async function startNfsServer<Node>(options: NfsServerOptions<Node>): Promise<NfsServer> {
  const { fileSystem, host, ports, log = silentLog } = options;
  const maxTransferBytes = checkTransferBytes(options.maxTransferBytes ?? DEFAULT_MAX_TRANSFER_BYTES);
  const counters: Nfs3Counters = { calls: {}, duplicates: 0 };
  const table = new MountTable();
  const nfsProgram = nfs3Program(fileSystem, { maxTransferBytes }, counters, log);
  const mountProgram = mount3Program({
    fileSystem,
    table,
    log,
    onMount: options.onMount ?? (() => undefined),
  });

  const common = { host, maxRecordBytes: maxTransferBytes + RECORD_OVERHEAD_BYTES, log };
  const isShared = ports.nfs === ports.mount;
  const nfs = await RpcServer.listen({
    ...common,
    port: ports.nfs,
    purpose: isShared ? 'NFS and MOUNT' : 'NFS',
    programs: isShared ? [nfsProgram, mountProgram] : [nfsProgram],
  });
  const servers = [nfs];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    const mount = isShared
      ? nfs
      : await RpcServer.listen({ ...common, port: ports.mount, purpose: 'MOUNT', programs: [mountProgram] });
    if (!isShared) servers.push(mount);
    return {
      ports: { nfs: nfs.port, mount: mount.port },
      stats: () => ({
        ...counters,
        connections: sum(servers, (server) => server.connections),
        callsInFlight: sum(servers, (server) => server.callsInFlight),
        mounts: table.list(),
      }),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function checkTransferBytes(bytes: number): number {
  if (bytes % 4096 === 0 && bytes >= SMALLEST_MAX_TRANSFER_BYTES) return bytes;
  throw new NfsServerError('InvalidOption', `maxTransferBytes of ${bytes}: give a multiple of 4096`);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
