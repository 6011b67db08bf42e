// Whether the gateway has room for what a guest changes while its disks are copied. What is frozen under a snapshot keeps
// the space that it has, so every page that is changed once more takes room beside it; where there is none left, the
// guest stands still with a question of the host.
import { formatBytes } from '../../../contract/index.ts';
import type { Vm } from '../../../vsphere/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import type { Findings } from '../../preflight/findings.ts';

/** A guest that does nothing writes so much in the minutes of a copy: logs, times of access. */
const LEAST_ROOM_BYTES = 16 * 2 ** 20;

export async function lookAtRoom(
  gateway: Pick<ActivityDeps['gateway'], 'exportStatus'>,
  sessionId: string,
  { name, disks }: Pick<Vm, 'name' | 'disks'>,
  found: Findings,
): Promise<void> {
  const { reservedBytes, overlayBytes } = await gateway.exportStatus(sessionId);
  const leftBytes = Math.max(0, reservedBytes - overlayBytes);
  const left =
    `The gateway has ${formatBytes(leftBytes)} left of the ${formatBytes(reservedBytes)} that it keeps for the changes ` +
    `of ${name}`;
  if (leftBytes < LEAST_ROOM_BYTES) {
    found.error(
      'StorageFull',
      `${left}, so that it would soon stand still while its disks are copied. Take it over cold, or live through a vCenter`,
    );
    return;
  }
  const mostBytes = disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
  if (leftBytes >= mostBytes) return;
  found.warning(
    'LittleRoom',
    `${left}. Should it change more while its disks are copied, it stands still and asks. Cold, it changes nothing ` +
      'meanwhile; a session that is started with a larger --reserve-factor has more',
  );
}
