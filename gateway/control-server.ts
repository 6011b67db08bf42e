// The gateway's side of the control socket: the routes of control-api.ts, as a table.
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import {
  changesRequestSchema,
  fenceRequestSchema,
  type GatewayErrorCode,
  type GatewayStatus,
  leaseSchema,
  limitRequestSchema,
  lockRequestSchema,
  pointRequestSchema,
  publishRequestSchema,
  readRequestSchema,
  roomRequestSchema,
  spaceRequestSchema,
  turnRequestSchema,
} from './control-api.ts';
import { type Exports } from './exports.ts';
import { asGatewayError, GatewayError } from './gateway-error.ts';
import { type Leases } from './leases.ts';
import { type Locks } from './locks.ts';
import { type Mounts } from './mounts.ts';
import { type Points } from './points.ts';
import { type Turns } from './turns.ts';

const MAX_BODY_BYTES = 1024 * 1024;
/** Workers of one site, with a lock or a request each. */
const MAX_CONNECTIONS = 1024;

export interface ControlDeps {
  readonly exports: Exports;
  readonly leases: Leases;
  readonly locks: Locks;
  readonly mounts: Mounts;
  readonly points: Points;
  readonly turns: Turns;
  readonly status: () => Promise<GatewayStatus>;
}

type Answer = (deps: ControlDeps, input: { body: unknown; argument: string }) => unknown;

const routes: Readonly<Record<string, Answer>> = {
  'GET /status': ({ status }) => status(),
  'POST /space': ({ exports }, { body }) => exports.space.ask(parsed(spaceRequestSchema, body)),
  'POST /exports': ({ exports }, { body }) => exports.publish(parsed(publishRequestSchema, body)),
  'GET /exports': ({ exports }) => exports.statuses(),
  'GET /exports/': ({ exports }, { argument }) => exports.status(argument),
  'GET /files/': ({ exports }, { argument }) => exports.files(argument),
  'DELETE /exports/': async ({ exports }, { argument }) => {
    await exports.drop(parsed(leaseSchema.shape.sessionId, argument));
    return {};
  },
  'PUT /fences/': async ({ exports }, { body, argument }) => {
    await exports.fence(argument, parsed(fenceRequestSchema, body).keep);
    return {};
  },
  'DELETE /fences/': async ({ exports }, { argument }) => {
    await exports.liftFence(argument);
    return {};
  },
  'PUT /limits/': async ({ exports }, { body, argument }) => {
    await exports.limitReads(argument, parsed(limitRequestSchema, body).bytesPerSecond);
    return {};
  },
  'DELETE /limits/': async ({ exports }, { argument }) => {
    await exports.liftReadLimit(argument);
    return {};
  },
  'PUT /rooms/': async ({ exports }, { body, argument }) => {
    await exports.makeRoom(argument, parsed(roomRequestSchema, body).bytes);
    return {};
  },
  'PUT /seals/': async ({ exports }, { argument }) => {
    await exports.sealFence(argument);
    return {};
  },
  'PUT /leases': ({ exports, leases }, { body }) => {
    const lease = parsed(leaseSchema, body);
    // A worker that has not heard yet that its session is gone would mount what nobody unmounts.
    return exports.unlessDropped(lease.sessionId, () => leases.take(lease));
  },
  'DELETE /leases': ({ leases }, { body }) => leases.release(parsed(leaseSchema, body)),
  'GET /leases': ({ leases }) => leases.all(),
  'PUT /turns': ({ turns }, { body }) => turns.take(parsed(turnRequestSchema, body)),
  'DELETE /turns/': async ({ turns }, { argument }) => {
    await turns.release(argument);
    return {};
  },
  'GET /turns': ({ turns }) => turns.all(),
  'GET /mounts': ({ mounts }) => mounts.all(),
  'POST /changes': ({ points }, { body }) => points.changes(parsed(changesRequestSchema, body)),
  'POST /reads': ({ points }, { body }) => points.read(parsed(readRequestSchema, body)),
};

const httpStatus: Record<GatewayErrorCode, number> = {
  InvalidInput: 400,
  NotFound: 404,
  NotSupported: 422,
  Busy: 409,
  ExportDropped: 410,
  ExportConflict: 409,
  FenceFinal: 409,
  StorageFull: 507,
  NotAVault: 422,
  BackupNotFound: 422,
  ChainBroken: 422,
  BlockCorrupt: 422,
  KeyRejected: 422,
  FormatUnsupported: 422,
  DestinationUnavailable: 503,
  GatewayUnavailable: 503,
  UnknownCall: 501,
  Unexpected: 500,
};

/** Serves on the socket. A socket that is there is a dead gateway's: the state folder's lock is held by the caller. */
export async function serveControl(socketPath: string, deps: ControlDeps): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    void respond(deps, request, response);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await rm(socketPath, { force: true });
  await listen(server, socketPath);
  await chmod(socketPath, 0o600);
  return { [Symbol.asyncDispose]: () => close(server) };
}

async function respond(deps: ControlDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const body = await readBody(request);
    if (request.method === 'POST' && request.url === '/locks') holdLock(deps.locks, body, response);
    else if (request.method === 'POST' && request.url === '/points')
      await holdPoint(deps.points, body, response);
    else send(response, 200, await answer(deps, request, body));
  } catch (error) {
    const { code, message } = asGatewayError(error);
    send(response, httpStatus[code], { code, message });
  }
}

async function answer(deps: ControlDeps, request: IncomingMessage, body: unknown): Promise<unknown> {
  const [, path = '', argument] = /^(\/[a-z]+)(?:\/([^/]+))?$/.exec(request.url ?? '') ?? [];
  const route = routes[`${request.method ?? ''} ${path}${argument === undefined ? '' : '/'}`];
  if (route === undefined) {
    throw new GatewayError(
      'UnknownCall',
      `The site's gateway does not know ${request.method ?? ''} ${request.url ?? ''}: it is older than who asks. ` +
        'Upgrade it, and start it again; VMs that run from it wait for it.',
    );
  }
  return route(deps, { body, argument: decodeURIComponent(argument ?? '') });
}

/** Answers when the lock is held, and never ends the answer: the lock is the connection's. */
function holdLock(locks: Locks, body: unknown, response: ServerResponse): void {
  const { name, holder } = parsed(lockRequestSchema, body);
  const release = locks.acquire(name, holder, () => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
  });
  response.on('close', release);
  if (response.destroyed) release();
}

/** Answers with the point, and never ends the answer: the point is the connection's. */
async function holdPoint(points: Points, body: unknown, response: ServerResponse): Promise<void> {
  const { sessionId } = parsed(pointRequestSchema, body);
  const point = await points.open(sessionId);
  const close = (): void => points.close(point.pointId);
  response.on('close', close);
  if (response.destroyed) {
    close();
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(`${JSON.stringify(point)}\n`);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES)
      throw new GatewayError('InvalidInput', `A request has at most ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch (error) {
    throw new GatewayError('InvalidInput', 'The request is no JSON.', { cause: error });
  }
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new GatewayError('InvalidInput', z.prettifyError(result.error));
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return;
  const isBytes = Buffer.isBuffer(body);
  response.writeHead(status, { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' });
  response.end(isBytes ? body : JSON.stringify(body));
}

function listen(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
