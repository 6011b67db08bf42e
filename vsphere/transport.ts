// HTTPS to one target: every connection pinned, every answer limited in time and size, the session's cookie
// kept. It knows HTTP; SOAP is soap/'s, logging in is session.ts's.
import { Agent, type Dispatcher, errors } from 'undici';
import { addressOf } from './address.ts';
import { VsphereError } from './errors.ts';
import { connectPinned } from './fingerprint.ts';

/** Each waiter of the property collector holds a connection while the server has nothing to tell. */
const MAX_CONNECTIONS = 64;
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** Below the time after which hosts drop an idle connection, so that a request rarely meets a closed one. */
const KEEP_ALIVE_MS = 20_000;
/** An answer that has begun goes on arriving. */
const BODY_TIMEOUT_MS = 60_000;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly fingerprint: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path and query. */
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the answer begins. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The call and its object, for the error. */
  readonly what: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

export interface Transport extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
  /** Any status is an answer. Throws `TargetUnavailable`, `CertificateMismatch`, `Cancelled`. */
  request(request: HttpRequest): Promise<HttpResponse>;
  forgetCookie(): void;
}

export function openTransport(endpoint: Endpoint): Transport {
  const address = addressOf(endpoint.host, endpoint.port);
  const agent = new Agent({
    connections: MAX_CONNECTIONS,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    bodyTimeout: BODY_TIMEOUT_MS,
    maxResponseSize: MAX_RESPONSE_BYTES,
    connect: (_options, callback) => {
      connectPinned(endpoint.host, endpoint.port, endpoint.fingerprint).then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(error as Error, null),
      );
    },
  });
  let cookie: string | undefined;

  return {
    address,
    async request(request) {
      try {
        const answer = await agent.request({
          origin: `https://${address}`,
          method: request.method,
          path: request.path,
          headers: { ...request.headers, ...(cookie === undefined ? {} : { cookie }) },
          body: request.body ?? null,
          headersTimeout: request.timeoutMs,
          signal: request.signal ?? null,
        });
        cookie = sessionCookie(answer) ?? cookie;
        return {
          status: answer.statusCode,
          contentType: header(answer, 'content-type') ?? '',
          body: Buffer.from(await answer.body.arrayBuffer()),
        };
      } catch (error) {
        throw connectionError(error, request, address);
      }
    },
    forgetCookie() {
      cookie = undefined;
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

function header(answer: Dispatcher.ResponseData, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function sessionCookie(answer: Dispatcher.ResponseData): string | undefined {
  const set = [answer.headers['set-cookie'] ?? []].flat();
  return set.find((each) => each.startsWith('vmware_soap_session='))?.split(';', 1)[0];
}

function connectionError(error: unknown, request: HttpRequest, address: string): VsphereError {
  if (error instanceof VsphereError) return error;
  if (request.signal?.aborted === true) {
    return new VsphereError('Cancelled', `${request.what} was cancelled.`, { cause: request.signal.reason });
  }
  if (error instanceof errors.HeadersTimeoutError) {
    return new VsphereError(
      'TargetUnavailable',
      `${request.what} failed: ${address} did not answer within ${request.timeoutMs / 1000} s.`,
      { cause: error },
    );
  }
  if (error instanceof errors.ResponseExceededMaxSizeError) {
    return new VsphereError(
      'Unexpected',
      `${request.what} failed: the answer of ${address} is larger than ${MAX_RESPONSE_BYTES} bytes.`,
      { cause: error },
    );
  }
  const why = error instanceof Error ? error.message : String(error);
  return new VsphereError(
    'TargetUnavailable',
    `${request.what} failed: the connection to ${address} broke (${why}).`,
    { cause: error },
  );
}
