// The worker's side of the control socket. Every method throws GatewayError: the gateway's own, or GatewayUnavailable
// when nobody answers. Nothing is tried again here.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import {
  type ExportFile,
  type ExportStatus,
  type FenceRequest,
  type GatewayErrorCode,
  type GatewayStatus,
  type Lease,
  type MountObservation,
  type PublishedExport,
  type PublishRequest,
  type SpaceAnswer,
  type SpaceRequest,
} from './control-api.ts';
import { GatewayError, messageOf } from './gateway-error.ts';

export class GatewayClient {
  readonly #socketPath: string;

  /** `socketPath`: controlSocketPath(stateDirectory). Connects at each call. */
  constructor(socketPath: string) {
    this.#socketPath = socketPath;
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
