// The worker's side of the control socket. Every method throws GatewayError: the gateway's own, or GatewayUnavailable
// when nobody answers. Nothing is tried again here.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import {
  type ChangesRequest,
  type ExportFile,
  type ExportPoint,
  type ExportStatus,
  type FenceRequest,
  type GatewayErrorCode,
  type GatewayStatus,
  type Lease,
  type LimitRequest,
  type MountObservation,
  type PointChanges,
  type PublishedExport,
  type PublishRequest,
  type ReadRequest,
  type RoomRequest,
  type SpaceAnswer,
  type SpaceRequest,
  type Turn,
  type TurnAnswer,
  type TurnRequest,
} from './control-api.ts';
import { GatewayError, messageOf } from './gateway-error.ts';

/** A session's disks as they were at one moment; each method throws as the client does. */
export interface OpenPoint extends ExportPoint {
  /** Where a disk may differ from the backup, in order. */
  changes(disk: string): AsyncIterable<{ readonly offsetBytes: number; readonly lengthBytes: number }>;
  /** Fills `into`, of up to 4 MiB. */
  read(disk: string, offsetBytes: number, into: Uint8Array): Promise<void>;
}

export class GatewayClient {
  readonly #socketPath: string;
  readonly #silenceMs: number | undefined;

  /**
   * `socketPath`: controlSocketPath(stateDirectory). Connects at each call. One that hears nothing for `silenceMs` ends as
   * GatewayUnavailable; without it the caller has a limit of its own.
   */
  constructor(socketPath: string, { silenceMs }: { readonly silenceMs?: number } = {}) {
    this.#socketPath = socketPath;
    this.#silenceMs = silenceMs;
  }

  status(): Promise<GatewayStatus> {
    return this.#call('GET', '/status');
  }

  /** Whether the changes of VMs with so many bytes would fit; reserves nothing. */
  space(request: SpaceRequest): Promise<SpaceAnswer> {
    return this.#call('POST', '/space', request);
  }

  /** Throws ExportDropped, ExportConflict, StorageFull, InvalidInput, and what opening the backup throws. */
  publish(request: PublishRequest): Promise<PublishedExport> {
    return this.#call('POST', '/exports', request);
  }

  exports(): Promise<ExportStatus[]> {
    return this.#call('GET', '/exports');
  }

  /** Throws NotFound. */
  exportStatus(sessionId: string): Promise<ExportStatus> {
    return this.#call('GET', `/exports/${encodeURIComponent(sessionId)}`);
  }

  /** What lies in the session's directory now. Throws NotFound. */
  files(sessionId: string): Promise<ExportFile[]> {
    return this.#call('GET', `/files/${encodeURIComponent(sessionId)}`);
  }

  /** Serves nothing but what is kept, and what hosts make later. Throws NotFound, InvalidInput, ExportConflict. */
  async fence(sessionId: string, keep: readonly string[]): Promise<void> {
    const request: FenceRequest = { keep: [...keep] };
    await this.#call('PUT', `/fences/${encodeURIComponent(sessionId)}`, request);
  }

  /** Hosts can write so many bytes more into the session's directory. Throws NotFound, StorageFull. */
  async makeRoom(sessionId: string, bytes: number): Promise<void> {
    const request: RoomRequest = { bytes };
    await this.#call('PUT', `/rooms/${encodeURIComponent(sessionId)}`, request);
  }

  /** READs of the session's disks are held back to so many bytes a second; 0: all of them. Throws NotFound. */
  async limitReads(sessionId: string, bytesPerSecond: number): Promise<void> {
    const request: LimitRequest = { bytesPerSecond };
    await this.#call('PUT', `/limits/${encodeURIComponent(sessionId)}`, request);
  }

  /** None is done, and so is no export. */
  async liftReadLimit(sessionId: string): Promise<void> {
    await this.#call('DELETE', `/limits/${encodeURIComponent(sessionId)}`);
  }

  /** Throws NotFound, FenceFinal. */
  async liftFence(sessionId: string): Promise<void> {
    await this.#call('DELETE', `/fences/${encodeURIComponent(sessionId)}`);
  }

  /** The fence stays for good. Throws NotFound. */
  async sealFence(sessionId: string): Promise<void> {
    await this.#call('PUT', `/seals/${encodeURIComponent(sessionId)}`);
  }

  /** Drops the export with its changes and keys, for good. One that never was is marked as dropped all the same. */
  async drop(sessionId: string): Promise<void> {
    await this.#call('DELETE', `/exports/${encodeURIComponent(sessionId)}`);
  }

  /** Answers every lease on that datastore of that host. */
  takeLease(lease: Lease): Promise<Lease[]> {
    return this.#call('PUT', '/leases', lease);
  }

  /** Answers those that are left on that datastore of that host. */
  releaseLease(lease: Lease): Promise<Lease[]> {
    return this.#call('DELETE', '/leases', lease);
  }

  leases(): Promise<Lease[]> {
    return this.#call('GET', '/leases');
  }

  /** Stands in the queue from then on. Throws Busy when too many do. */
  takeTurn(request: TurnRequest): Promise<TurnAnswer> {
    return this.#call('PUT', '/turns', request);
  }

  /** None is done. */
  async releaseTurn(sessionId: string): Promise<void> {
    await this.#call('DELETE', `/turns/${encodeURIComponent(sessionId)}`);
  }

  /** In the order of the queue. */
  turns(): Promise<Turn[]> {
    return this.#call('GET', '/turns');
  }

  mounts(): Promise<MountObservation[]> {
    return this.#call('GET', '/mounts');
  }

  /**
   * Holds the lock `name` while `body` runs. Waits in turn; `signal` ends the waiting with its reason. The lock is the
   * connection's: it is free when this process dies, and when the gateway does.
   */
  async withLock<T>(name: string, holder: string, body: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const request = this.#request('POST', '/locks', { name, holder });
    const abort = (): void => {
      request.destroy();
    };
    signal?.addEventListener('abort', abort);
    try {
      await this.#answerOf(request, isHeld).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      });
      signal?.removeEventListener('abort', abort);
      return await body();
    } finally {
      signal?.removeEventListener('abort', abort);
      // The gateway may close the connection at the same time; either way the lock is free.
      request.on('error', () => undefined).destroy();
    }
  }

  /**
   * Runs `body` with the session's disks as they are at a moment of this call: it has every write that was
   * acknowledged before, and the VM goes on meanwhile. The point is the connection's: it is gone when `body` ends,
   * when this process dies, and when the gateway does. Throws NotFound, NotSupported, Busy; reading also StorageFull,
   * when the guest needed the room that the point took.
   */
  async withPoint<T>(
    sessionId: string,
    body: (point: OpenPoint) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted();
    const request = this.#request('POST', '/points', { sessionId });
    const abort = (): void => {
      request.destroy();
    };
    signal?.addEventListener('abort', abort);
    try {
      const point = await this.#answerOf(request, lineOf<ExportPoint>).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      });
      return await body(this.#openPoint(point));
    } finally {
      signal?.removeEventListener('abort', abort);
      request.on('error', () => undefined).destroy();
    }
  }

  #openPoint(point: ExportPoint): OpenPoint {
    const { pointId } = point;
    return {
      ...point,
      changes: (disk) => this.#changes(pointId, disk),
      read: (disk, offsetBytes, into) => {
        const question: ReadRequest = { pointId, disk, offsetBytes, lengthBytes: into.byteLength };
        return this.#answerOf(this.#request('POST', '/reads', question), (response) => fill(into, response));
      },
    };
  }

  async *#changes(
    pointId: string,
    disk: string,
  ): AsyncGenerator<{ offsetBytes: number; lengthBytes: number }> {
    for (let from: number | undefined = 0; from !== undefined; ) {
      const question: ChangesRequest = { pointId, disk, fromBytes: from };
      const { ranges, nextBytes }: PointChanges = await this.#call<PointChanges>(
        'POST',
        '/changes',
        question,
      );
      for (const [offsetBytes, lengthBytes] of ranges) yield { offsetBytes, lengthBytes };
      from = nextBytes;
    }
  }

  #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.#answerOf(this.#request(method, path, body), async (response) => {
      return (await bodyOf(response)) as T;
    });
  }

  #request(method: string, path: string, body?: unknown): ClientRequest {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const request = httpRequest({
      socketPath: this.#socketPath,
      method,
      path,
      agent: false,
      headers: payload === undefined ? {} : { 'content-length': payload.byteLength },
    });
    const silenceMs = this.#silenceMs;
    if (silenceMs !== undefined) {
      request.setTimeout(silenceMs, () => request.destroy(new Error(`silent for ${silenceMs / 1000} s`)));
    }
    request.end(payload);
    return request;
  }

  async #answerOf<T>(request: ClientRequest, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    try {
      const response = await responseTo(request);
      if (response.statusCode !== 200) throw await errorOf(response);
      return await read(response);
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw new GatewayError(
        'GatewayUnavailable',
        `No gateway answers on ${this.#socketPath} (${messageOf(error)}). Start it with \`rundirect gateway\`.`,
        { cause: error },
      );
    }
  }
}

/** A held lock's answer has no end: its head says all. */
async function isHeld(response: IncomingMessage): Promise<void> {
  response.on('error', () => undefined).resume();
}

/** The first line of an answer that has no end. */
function lineOf<T>(response: IncomingMessage): Promise<T> {
  return new Promise((resolve, reject) => {
    let text = '';
    const take = (part: string): void => {
      text += part;
      if (!text.endsWith('\n')) return;
      response.off('data', take).resume();
      resolve(JSON.parse(text) as T);
    };
    response.on('error', reject).setEncoding('utf8').on('data', take);
    response.once('close', () => {
      reject(new Error('the connection was closed'));
    });
  });
}

/** Throws unless the answer has exactly the bytes that were asked for. */
async function fill(into: Uint8Array, response: IncomingMessage): Promise<void> {
  let done = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    if (done + part.byteLength <= into.byteLength) into.set(part, done);
    done += part.byteLength;
  }
  if (done !== into.byteLength) throw new Error(`${done} of ${into.byteLength} bytes came`);
}

function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.once('close', () => {
      reject(new Error('the connection was closed'));
    });
  });
}

async function errorOf(response: IncomingMessage): Promise<GatewayError> {
  const { code, message } = (await bodyOf(response)) as { code: GatewayErrorCode; message: string };
  return new GatewayError(code, message);
}

async function bodyOf(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
}
