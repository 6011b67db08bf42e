// Whether the gateway has room for a short outage. What is frozen under a snapshot keeps the space that it has, so every
// page that a guest changes while its disks are copied takes room beside it; where there is none left, the guest stands
// still with a question of the host; where its changes go elsewhere, they take no room here. A guest that is suspended takes room for its memory; where there is none, it is shut
// down instead.
import { formatBytes, type TargetStepInput } from '../../../contract/index.ts';
import type { Vm } from '../../../vsphere/index.ts';
import type { ActivityDeps } from '../../deps.ts';
import type { Findings } from '../../preflight/findings.ts';

/** A guest that does nothing writes so much in the minutes of a copy: logs, times of access. */
const LEAST_ROOM_BYTES = 16 * 2 ** 20;

type Subject = Pick<Vm, 'name' | 'disks'>;

/** @param stateBytes is what the guest takes when it is suspended; undefined where it is not to be, or is not known. */
export async function lookAtRoom(
  gateway: Pick<ActivityDeps['gateway'], 'exportStatus' | 'status'>,
  { sessionId, placement }: Pick<TargetStepInput, 'sessionId' | 'placement'>,
  vm: Subject,
  stateBytes: number | undefined,
  found: Findings,
): Promise<void> {
  const { reservedBytes, overlayBytes } = await gateway.exportStatus(sessionId);
  const leftBytes = Math.max(0, reservedBytes - overlayBytes);
  if (placement.changes === undefined) lookAtChanges(sessionId, vm, leftBytes, reservedBytes, found);
  if (stateBytes === undefined) return;
  const { space } = await gateway.status();
  const availableBytes = leftBytes + Math.max(0, space.freeBytes - space.reservedBytes);
  if (availableBytes >= stateBytes) return;
  found.warning(
    'NotSuspended',
    `${vm.name} is shut down, and boots in production, because it can't be suspended: the gateway has ` +
      `${formatBytes(availableBytes)} for its memory, and ${formatBytes(stateBytes)} are needed`,
  );
}

function lookAtChanges(
  sessionId: string,
  { name, disks }: Subject,
  leftBytes: number,
  reservedBytes: number,
  found: Findings,
): void {
  const left =
    `The gateway has ${formatBytes(leftBytes)} left of the ${formatBytes(reservedBytes)} that it keeps for the changes ` +
    `of ${name}`;
  if (leftBytes < LEAST_ROOM_BYTES) {
    found.error(
      'StorageFull',
      `${left}, so that it would soon stand still while its disks are copied. Make room first (rundirect make-room ${sessionId} ` +
        'SIZE), or take it over cold, or live through a vCenter',
    );
    return;
  }
  const mostBytes = disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
  if (leftBytes >= mostBytes) return;
  found.warning(
    'LittleRoom',
    `${left}. Should it change more while its disks are copied, it stands still and asks. Cold, it changes nothing ` +
      `meanwhile; rundirect make-room ${sessionId} SIZE has the gateway keep more`,
  );
}
