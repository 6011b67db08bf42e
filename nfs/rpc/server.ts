// Listens on one TCP port for one or more RPC programs. Bounded: connections. Closing answers what is in flight first.
import { createServer, type Server, type Socket } from 'node:net';
import { type Log } from '../log.ts';
import { NfsServerError } from '../nfs-server-error.ts';
import { RpcConnection } from './connection.ts';
import { type RpcProgram } from './program.ts';

/** 64 hosts with the four connections that ESXi opens at most to one server (SunRPC.MaxConnPerIP). */
const MAX_CONNECTIONS = 256;

/** So that one peer can't take the places of all others. Several hosts may share an address in a lab. */
const MAX_CONNECTIONS_PER_ADDRESS = 64;

/** How long closing waits for calls in flight; ESXi itself waits longer before it tries elsewhere. */
const CLOSE_TIMEOUT_MS = 5_000;

export interface RpcServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** What the port is for, as a person would say it. */
  readonly purpose: string;
  readonly programs: readonly RpcProgram[];
  readonly maxRecordBytes: number;
  readonly log: Log;
}

export class RpcServer {
  readonly #server: Server;
  readonly #connections = new Map<Socket, RpcConnection>();
  readonly port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** Throws NfsServerError PortInUse or AddressUnavailable. */
  static async listen(options: RpcServerOptions): Promise<RpcServer> {
    const listener = createServer();
    listener.maxConnections = MAX_CONNECTIONS;
    const port = await bind(listener, options);
    const server = new RpcServer(listener, port);
    listener.on('connection', (socket) => server.#accept(socket, options));
    listener.on('drop', (dropped) =>
      options.log.warn(
        { peer: dropped?.remoteAddress, limit: MAX_CONNECTIONS },
        'Connection refused: there are too many',
      ),
    );
    listener.on('error', (error) =>
      options.log.error({ err: error, port }, `${options.purpose}: listener failed`),
    );
    return server;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get callsInFlight(): number {
    let sum = 0;
    for (const connection of this.#connections.values()) sum += connection.callsInFlight;
    return sum;
  }

  /** Accepts and reads nothing more, answers the calls in flight (for five seconds at most), and closes. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const drained = Promise.all([...this.#connections.values()].map((connection) => connection.drain()));
    await within(CLOSE_TIMEOUT_MS, drained);
    for (const socket of this.#connections.keys()) {
      socket.end();
      socket.destroySoon();
    }
    await within(CLOSE_TIMEOUT_MS, closed);
    for (const socket of this.#connections.keys()) socket.destroy();
    await closed;
  }

  #accept(socket: Socket, options: RpcServerOptions): void {
    const { programs, maxRecordBytes, log } = options;
    const peer = socket.remoteAddress;
    let fromPeer = 0;
    for (const other of this.#connections.keys()) if (other.remoteAddress === peer) fromPeer += 1;
    if (fromPeer >= MAX_CONNECTIONS_PER_ADDRESS) {
      log.warn({ peer, limit: MAX_CONNECTIONS_PER_ADDRESS }, 'Connection refused: this peer has too many');
      socket.destroy();
      return;
    }
    this.#connections.set(socket, new RpcConnection(socket, { programs, maxRecordBytes, log }));
    socket.once('close', () => this.#connections.delete(socket));
  }
}

async function bind(listener: Server, options: RpcServerOptions): Promise<number> {
  const { host, port, purpose } = options;
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error, host, port, purpose)));
    listener.listen({ host, port, exclusive: true }, () => {
      listener.removeAllListeners('error');
      resolve();
    });
  });
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error(`no TCP address: ${String(address)}`);
  return address.port;
}

/** Why a port can't be had, and the way out. */
export function bindError(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
  purpose: string,
): NfsServerError {
  const what = `${purpose} can't listen on ${host} port ${port}`;
  const options = { cause: error };
  if (error.code === 'EADDRINUSE') {
    return new NfsServerError(
      'PortInUse',
      `${what}: another program listens there. Find it with \`ss -ltnp 'sport = :${port}'\` (often another NFS server or rpcbind) and stop it, or configure another port.`,
      options,
    );
  }
  const wayOut =
    error.code === 'EACCES'
      ? `ports below 1024 need the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=) or root`
      : `give an address of this machine (\`ip -brief address\` lists them)`;
  return new NfsServerError('AddressUnavailable', `${what}: ${error.message}; ${wayOut}.`, options);
}

/** Resolves when the promise does, or after the time. */
async function within(limitMs: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
  await Promise.race([promise, timeout]);
  clearTimeout(timer);
}
