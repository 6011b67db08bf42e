// The gateway's state in words, for `rundirect gateway status`.
import { bytesText } from './bytes-text.ts';
import {
  type ExportStatus,
  type GatewayStatus,
  type Lease,
  type MountObservation,
  type Turn,
} from './control-api.ts';

export interface ShownStatus {
  readonly gateway: GatewayStatus;
  readonly exports: readonly ExportStatus[];
  readonly leases: readonly Lease[];
  readonly mounts: readonly MountObservation[];
  /** In the order of the queue. */
  readonly turns: readonly Turn[];
}

export function statusText({ gateway, exports, leases, mounts, turns }: ShownStatus): string {
  const { pid, startedAt, version, advertise, ports, space } = gateway;
  return [
    `Gateway ${version}, process ${pid}, since ${startedAt}`,
    `Hosts mount ${advertise}: NFS ${ports.nfs}, MOUNT ${ports.mount}, portmap ${ports.portmap ?? 'off'}`,
    `Space: ${bytesText(space.freeBytes)} of ${bytesText(space.totalBytes)} free, ${bytesText(space.reservedBytes)} reserved and not used yet`,
    ...section('Exports', exports.map(exportLine)),
    ...section(
      'Leases',
      leases.map(({ host, datastore, sessionId }) => `${datastore} on ${host}: ${sessionId}`),
    ),
    ...section(
      'Turns to migrate, the first first',
      turns.map(({ sessionId, places }) => `${sessionId} to ${places.join(', ')}`),
    ),
    ...section(
      'Mounts',
      mounts.map(({ targetId, address, at }) => `${targetId} from ${address}, last ${at}`),
    ),
  ].join('\n');
}

function exportLine(status: ExportStatus): string {
  const { sessionId, remotePath, overlayBytes, reservedBytes, fence, readLimit, stalledSince, lastError } =
    status;
  const fenced = fence === undefined ? '' : '; fenced, its VM goes on from production';
  const stalled = stalledSince === undefined ? '' : `; reads wait for the backup since ${stalledSince}`;
  const error = lastError === undefined ? '' : `; last error: ${lastError}`;
  return `${remotePath}/${sessionId}: changes ${bytesText(overlayBytes)} of ${bytesText(reservedBytes)}${fenced}${limitText(readLimit)}${stalled}${error}`;
}

function limitText(readLimit: number | undefined): string {
  if (readLimit === undefined) return '';
  return readLimit === 0 ? '; its copy is paused' : `; its copy reads at most ${bytesText(readLimit)}/s`;
}

function section(title: string, lines: readonly string[]): string[] {
  return [`${title}: ${lines.length === 0 ? 'none' : ''}`.trimEnd(), ...lines.map((line) => `  ${line}`)];
}

/** In the largest unit that leaves a whole part, so that little is not shown as nothing. */
