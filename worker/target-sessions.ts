// Logged-in sessions with targets, shared by the steps of all sessions of Run Direct: a host allows few, and a
// login costs a second on a busy vCenter. One that nobody used for a while logs out.
import { createHash } from 'node:crypto';
import type { TargetLogin, Targets } from '../activities/index.ts';
import type { ConnectOptions, Vsphere } from '../vsphere/index.ts';

/** Below the 30 minutes after which targets end idle sessions themselves. */
const LOG_OUT_AFTER_MS = 5 * 60_000;

interface Shared {
  readonly session: Promise<Vsphere>;
  users: number;
  logOut: NodeJS.Timeout | undefined;
}

interface Engine {
  readonly connect: (options: ConnectOptions) => Promise<Vsphere>;
  readonly readFingerprint: (
    host: string,
    port: number,
    options: { readonly signal?: AbortSignal },
  ) => Promise<string>;
}

export interface TargetSessions extends Targets, AsyncDisposable {}

export function targetSessions(
  { connect, readFingerprint }: Engine,
  logOutAfterMs: number = LOG_OUT_AFTER_MS,
): TargetSessions {
  const shared = new Map<string, Shared>();

  const drop = async (key: string, entry: Shared): Promise<void> => {
    clearTimeout(entry.logOut);
    if (shared.get(key) === entry) shared.delete(key);
    // A session that could not be opened, or is gone already, needs no logout.
    await entry.session.then((vsphere) => vsphere[Symbol.asyncDispose]()).catch(() => undefined);
  };

  const enter = (key: string, login: TargetLogin): Shared => {
    let entry = shared.get(key);
    if (entry === undefined) {
      entry = { session: connect(login), users: 0, logOut: undefined };
      shared.set(key, entry);
    }
    clearTimeout(entry.logOut);
    entry.users += 1;
    return entry;
  };

  const leave = (key: string, entry: Shared): void => {
    entry.users -= 1;
    if (entry.users > 0 || shared.get(key) !== entry) return;
    entry.logOut = setTimeout(() => void drop(key, entry), logOutAfterMs);
    entry.logOut.unref();
  };

  return {
    use: async (login, signal, work) => {
      const key = keyOf(login);
      const entry = enter(key, login);
      try {
        const vsphere = await unlessAborted(entry.session, signal).catch((error: unknown) => {
          if (!signal.aborted && shared.get(key) === entry) shared.delete(key);
          throw error;
        });
        return await work(vsphere);
      } finally {
        leave(key, entry);
      }
    },
    readFingerprint: (host, port, signal) => readFingerprint(host, port, { signal }),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...shared].map(([key, entry]) => drop(key, entry)));
    },
  };
}

/** Who brings another password gets another session, whose login is checked. */
function keyOf({ host, port, user, password, fingerprint }: TargetLogin): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([user, password]))
    .digest('base64');
  return `${host}:${port} ${fingerprint} ${digest}`;
}

/** The login goes on for the others who wait for it. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
