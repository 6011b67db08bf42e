// What the host does in the VM's directory, as the gateway sees it.
import { setTimeout as delay } from 'node:timers/promises';
import type { ExportFile } from '../../gateway/index.ts';
import type { Gateway } from '../deps.ts';
import { TINY_FLAT } from './tiny-vm.ts';
import { Unmet } from './trial.ts';

const LOOK_EVERY_MS = 250;
/** A host that emulates takes some seconds to the boot sector; a real one fewer. */
const BOOT_LIMIT_MS = 60_000;

/** Returns the number of the guest's WRITEs as soon as there is one. Throws Unmet. */
export async function awaitGuestWrites(
  gateway: Pick<Gateway, 'files'>,
  sessionId: string,
  signal: AbortSignal,
): Promise<number> {
  for (const deadlineMs = Date.now() + BOOT_LIMIT_MS; Date.now() < deadlineMs; ) {
    const disk = (await gateway.files(sessionId)).find(({ name }) => name === TINY_FLAT);
    const writes = disk === undefined ? 0 : countOf(disk);
    if (writes > 0) return writes;
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
  throw new Unmet(
    `the guest wrote nothing to its disk within ${BOOT_LIMIT_MS / 1_000} s: it may not have booted`,
  );
}

export const countOf = ({ writes }: ExportFile): number => writes.stable + writes.unstable;
