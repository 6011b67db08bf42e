// The state folder of a site's gateway, and who may use it: one process at a time.
//
//   gateway.lock        held by the running gateway (SQLite's lock, which the kernel frees when the process dies)
//   control.sock        the control socket
//   registry.json       shares and exports          leases.json   leases
//   dropped/SESSION     an empty file per session that was dropped
//   overlays/NUMBER/    an overlay's log
//   credentials/, credential-store-key              keys (secrets/)
import { chmod, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { asGatewayError, GatewayError, messageOf } from './gateway-error.ts';
import { isDiskFull } from './overlay/index.ts';

/** Of sockaddr_un, without the zero at its end: 108 on Linux, 104 elsewhere. */
const MAX_SOCKET_PATH_BYTES = 103;

/** https://sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;
const OTHER_GATEWAY =
  'another gateway runs on it. Ask it with `rundirect gateway status`, stop it first, or give this one another --state.';
const OWN_FOLDER =
  "the state folder must belong to the gateway's user, who can write to it, and all in it be the gateway's own. Mend that, or give --state another folder.";

/** Where a site keeps its state unless it is told otherwise. */
export function siteStateDirectory(site: string): string {
  const base = process.env['XDG_STATE_HOME'];
  return join(
    base === undefined || base === '' ? join(homedir(), '.local', 'state') : base,
    'rundirect',
    site,
  );
}

/** The control socket of the gateway whose state is in that folder. Throws InvalidInput when the path is too long. */
export function controlSocketPath(stateDirectory: string): string {
  const path = join(stateDirectory, 'control.sock');
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  throw new GatewayError(
    'InvalidInput',
    `${path} is longer than the ${MAX_SOCKET_PATH_BYTES} bytes that a Unix socket's path may have. Choose a shorter --state.`,
  );
}

export const overlayPath = (stateDirectory: string, volume: number): string =>
  join(stateDirectory, 'overlays', String(volume));

/** Makes the folder where it is absent, for this user alone. Throws InvalidInput where that can't be. */
export async function makeStateDirectory(stateDirectory: string): Promise<void> {
  try {
    await mkdir(join(stateDirectory, 'dropped'), { recursive: true, mode: 0o700 });
    await mkdir(join(stateDirectory, 'overlays'), { recursive: true, mode: 0o700 });
    await chmod(stateDirectory, 0o700);
  } catch (error) {
    if (isDiskFull(error)) throw asGatewayError(error);
    throw cannotTake(stateDirectory, error, OWN_FOLDER);
  }
}

/** Takes the folder for this process. Throws InvalidInput when another gateway runs on it, and where it can't be taken. */
export function lockStateDirectory(stateDirectory: string): Disposable {
  const path = join(stateDirectory, 'gateway.lock');
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(path);
    // Nothing is ever written: a journal would want room on a disk that may have none, where VMs wait for this gateway.
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock?.close();
    const isHeld = error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
    throw cannotTake(path, error, isHeld ? OTHER_GATEWAY : OWN_FOLDER);
  }
  const held = lock;
  return { [Symbol.dispose]: () => held.close() };
}

function cannotTake(path: string, error: unknown, why: string): GatewayError {
  return new GatewayError('InvalidInput', `${path} can't be taken (${messageOf(error)}): ${why}`, {
    cause: error,
  });
}
