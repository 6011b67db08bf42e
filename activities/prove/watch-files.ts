// What the host does in the VM's directory, as the gateway sees it.
import { setTimeout as delay } from 'node:timers/promises';
import type { ExportFile } from '../../gateway/index.ts';
import type { Gateway } from '../deps.ts';
import { Unmet } from './trial.ts';

const LOOK_EVERY_MS = 250;
/** A host that emulates takes some seconds to the boot sector; a real one fewer. */
const GUEST_LIMIT_MS = 60_000;

/** The files that hold a disk's bytes: the base, and the children of snapshots. */
const DISK_BYTES = /-(?:flat|delta|sesparse)\.vmdk$/;

/** WRITEs to the VM's disk, its children included, since the gateway was started. */
export async function guestWrites(gateway: Pick<Gateway, 'files'>, sessionId: string): Promise<number> {
  const files = (await gateway.files(sessionId)).filter(({ name }) => DISK_BYTES.test(name));
  return files.reduce((sum, file) => sum + countOf(file), 0);
}

/** Returns their number as soon as there are more than `before`: the guest counts there once a second. Throws Unmet. */
export async function awaitGuestWrites(
  gateway: Pick<Gateway, 'files'>,
  sessionId: string,
  signal: AbortSignal,
  before = 0,
): Promise<number> {
  for (const deadlineMs = Date.now() + GUEST_LIMIT_MS; Date.now() < deadlineMs; ) {
    const writes = await guestWrites(gateway, sessionId);
    if (writes > before) return writes;
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
  throw new Unmet(`the guest wrote nothing to its disk for ${GUEST_LIMIT_MS / 1_000} s: it may not run`);
}

export const countOf = ({ writes }: ExportFile): number => writes.stable + writes.unstable;
