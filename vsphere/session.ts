// A logged-in session. A server ends one that is idle for half an hour or so, and all of them when it
// restarts; so it is kept alive while it is held, and when the server says NotAuthenticated it is logged in
// again, once, by whoever notices first. What is safe to repeat is repeated; what changes something is not:
// its caller hears TargetUnavailable and looks before it tries again.
import { VsphereError } from './errors.ts';
import { compareVersions } from './schema/version.ts';
import type { Arguments, ManagedObjectReference, Results, ServiceContent } from './schema/vim25.ts';
import { NEWEST_VERSION, OLDEST_VERSION } from './schema/vim25.ts';
import { decodeResponse, encodeRequest, type Method } from './soap/envelope.ts';
import { NOT_AUTHENTICATED } from './soap/fault.ts';
import { child, childText, parseXml } from './soap/parse.ts';
import { type HttpResponse, openTransport, type Transport } from './transport.ts';
import type { CallOptions, ConnectOptions } from './types.ts';

/** Most calls answer in milliseconds; mounting a datastore whose server is slow takes minutes. */
const CALL_TIMEOUT_MS = 180_000;
const LOGOUT_TIMEOUT_MS = 5_000;
/** Servers end a session after 30 idle minutes or more. */
const KEEP_ALIVE_EVERY_MS = 5 * 60_000;

/** Of the server's messages, which end up in ours. */
const LOCALE = 'en_US';

const SERVICE_INSTANCE: ManagedObjectReference = { type: 'ServiceInstance', value: 'ServiceInstance' };

/** Calls that may be repeated after a new login: they change nothing but what the session itself holds. */
const repeatableMethods: ReadonlySet<Method> = new Set<Method>([
  'RetrieveServiceContent',
  'CurrentTime',
  'RetrievePropertiesEx',
  'FindByDatastorePath',
  'CreateContainerView',
  'CreatePropertyCollector',
  'CheckRelocate_Task',
  'SearchDatastoreSubFolders_Task',
  // A second time finds the task cancelled, which is what was wanted.
  'CancelTask',
]);

export interface InvokeOptions extends CallOptions {
  /** How long the server may take to begin its answer. */
  readonly answerWithinMs?: number;
}

/** `what` names the call in errors. */
export type FetchOptions = InvokeOptions & { readonly what: string };

export interface Session extends AsyncDisposable {
  readonly content: ServiceContent;
  /** Version of the API that is spoken with this server. */
  readonly version: string;
  /** `host:port`, for errors. */
  readonly address: string;
  /** One call, which logs in again when it must, and repeats if that is safe. */
  call<M extends Method>(
    method: M,
    self: ManagedObjectReference,
    parameters: Arguments[M],
    options?: InvokeOptions,
  ): Promise<Results[M]>;
  /** A piece of work of several calls that changes nothing, repeated as a whole after a new login. */
  repeatable<T>(work: (invoke: Invoke) => Promise<T>): Promise<T>;
  /** GET with the session's cookie. */
  get(path: string, options: FetchOptions): Promise<HttpResponse>;
  /** PUT with the session's cookie. */
  put(path: string, body: Uint8Array, options: FetchOptions): Promise<HttpResponse>;
}

/** One call as it is, without a new login. */
export type Invoke = Session['call'];

/** Logs in. Throws `InvalidLogin`, `CertificateMismatch`, `TargetUnavailable`, `Cancelled`. */
export async function openSession(options: ConnectOptions): Promise<Session> {
  const transport = openTransport(options);
  try {
    return await logIn(transport, options);
  } catch (error) {
    await transport[Symbol.asyncDispose]();
    throw error;
  }
}

async function logIn(transport: Transport, options: ConnectOptions): Promise<Session> {
  const { address } = transport;
  const version = await negotiateVersion(transport, options.signal);
  const invoke: Invoke = (method, self, parameters, callOptions) =>
    post(transport, version, method, self, parameters, callOptions ?? {});
  const content = await invoke('RetrieveServiceContent', SERVICE_INSTANCE, {}, options);
  const sessionManager = content?.sessionManager;
  if (content === undefined || sessionManager === undefined) {
    throw new VsphereError('TargetUnavailable', `${address} does not offer the vSphere API.`);
  }
  const login = async (signal?: AbortSignal): Promise<void> => {
    transport.forgetCookie();
    const { user: userName, password } = options;
    await invoke('Login', sessionManager, { userName, password, locale: LOCALE }, { signal });
  };
  await login(options.signal);

  let closed = false;
  let logins = 1;
  let pendingLogin: Promise<void> | undefined;
  /** Logs in again unless somebody did since `seen`. */
  const loginAgain = (seen: number): Promise<void> => {
    if (seen !== logins) return Promise.resolve();
    pendingLogin ??= login()
      .then(() => {
        logins++;
      })
      .finally(() => (pendingLogin = undefined));
    return pendingLogin;
  };

  const repeatable: Session['repeatable'] = async (work) => {
    const seen = logins;
    try {
      return await work(invoke);
    } catch (error) {
      if (closed || !isNotAuthenticated(error)) throw error;
      await loginAgain(seen);
      return work(invoke);
    }
  };
  const once = async <T>(work: () => Promise<T>): Promise<T> => {
    const seen = logins;
    try {
      return await work();
    } catch (error) {
      if (!closed && isNotAuthenticated(error)) await loginAgain(seen);
      throw error;
    }
  };
  const call: Session['call'] = (method, self, parameters, callOptions) =>
    repeatableMethods.has(method)
      ? repeatable((invokeNow) => invokeNow(method, self, parameters, callOptions))
      : once(() => invoke(method, self, parameters, callOptions));

  const keepAlive = setInterval(() => {
    // A target that is away now may be back at the next call, which then says what is wrong.
    call('CurrentTime', SERVICE_INSTANCE, {}).catch(() => undefined);
  }, KEEP_ALIVE_EVERY_MS).unref();

  const fetch = (
    method: 'GET' | 'PUT',
    path: string,
    body: Uint8Array | undefined,
    { what, signal, answerWithinMs }: FetchOptions,
  ): Promise<HttpResponse> =>
    transport.request({ method, path, body, what, signal, timeoutMs: answerWithinMs ?? CALL_TIMEOUT_MS });

  return {
    content,
    version,
    address,
    call,
    repeatable,
    get: (path, fetchOptions) => fetch('GET', path, undefined, fetchOptions),
    put: (path, body, fetchOptions) => fetch('PUT', path, body, fetchOptions),
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      clearInterval(keepAlive);
      // A session that can't be ended politely ends by itself.
      await invoke('Logout', sessionManager, {}, { answerWithinMs: LOGOUT_TIMEOUT_MS }).catch(
        () => undefined,
      );
      await transport[Symbol.asyncDispose]();
    },
  };
}

async function post<M extends Method>(
  transport: Transport,
  version: string,
  method: M,
  self: ManagedObjectReference,
  parameters: Arguments[M],
  options: InvokeOptions,
): Promise<Results[M]> {
  const what = `${method} of ${self.type} ${self.value} at ${transport.address}`;
  const answer = await transport.request({
    method: 'POST',
    path: '/sdk',
    headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: `"urn:vim25/${version}"` },
    body: encodeRequest(method, self, parameters, version),
    timeoutMs: options.answerWithinMs ?? CALL_TIMEOUT_MS,
    signal: options.signal,
    what,
  });
  // A fault comes with status 500; everything else is not from the SOAP service.
  if (answer.status !== 200 && answer.status !== 500) {
    throw new VsphereError('TargetUnavailable', `${what} failed: HTTP status ${answer.status}.`);
  }
  return decodeResponse(method, answer.body.toString('utf8'), what);
}

/** The newest version that both sides know. Servers list theirs; one that does not is taken for the oldest. */
async function negotiateVersion(transport: Transport, signal?: AbortSignal): Promise<string> {
  const answer = await transport.request({
    method: 'GET',
    path: '/sdk/vimServiceVersions.xml',
    timeoutMs: CALL_TIMEOUT_MS,
    signal,
    what: `Asking ${transport.address} for its API versions`,
  });
  if (answer.status !== 200) return OLDEST_VERSION;
  const offered = versionsIn(answer.body.toString('utf8'));
  const known = offered.filter((version) => compareVersions(version, NEWEST_VERSION) <= 0);
  const newest = known.sort(compareVersions).at(-1);
  if (newest !== undefined && compareVersions(newest, OLDEST_VERSION) >= 0) return newest;
  throw new VsphereError(
    'NotSupported',
    `${transport.address} speaks no version of the vSphere API that is known here: it offers ${offered.join(', ')}; ${OLDEST_VERSION} or newer is needed.`,
  );
}

export function versionsIn(xml: string): string[] {
  const vim25 = parseXml(xml).children.find((each) => childText(each, 'name') === 'urn:vim25');
  if (vim25 === undefined) return [];
  const prior = child(vim25, 'priorVersions')?.children ?? [];
  return [childText(vim25, 'version') ?? '', ...prior.map((each) => each.text)].filter((each) =>
    /^\d/.test(each),
  );
}

function isNotAuthenticated(error: unknown): boolean {
  return error instanceof VsphereError && error.fault === NOT_AUTHENTICATED;
}
