// The gateway's state in words, for `rundirect gateway status`.
import { type ExportStatus, type GatewayStatus, type Lease, type MountObservation } from './control-api.ts';

export interface ShownStatus {
  readonly gateway: GatewayStatus;
  readonly exports: readonly ExportStatus[];
  readonly leases: readonly Lease[];
  readonly mounts: readonly MountObservation[];
}

const GIB = 1024 ** 3;

export function statusText({ gateway, exports, leases, mounts }: ShownStatus): string {
  const { pid, startedAt, version, advertise, ports, space } = gateway;
  return [
    `Gateway ${version}, process ${pid}, since ${startedAt}`,
    `Hosts mount ${advertise}: NFS ${ports.nfs}, MOUNT ${ports.mount}, portmap ${ports.portmap ?? 'off'}`,
    `Space: ${gib(space.freeBytes)} of ${gib(space.totalBytes)} free, ${gib(space.reservedBytes)} reserved and not used yet`,
    ...section('Exports', exports.map(exportLine)),
    ...section(
      'Leases',
      leases.map(({ host, datastore, sessionId }) => `${datastore} on ${host}: ${sessionId}`),
    ),
    ...section(
      'Mounts',
      mounts.map(({ targetId, address, at }) => `${targetId} from ${address}, last ${at}`),
    ),
  ].join('\n');
}

function exportLine(status: ExportStatus): string {
  const { sessionId, remotePath, overlayBytes, reservedBytes, stalledSince, lastError } = status;
  const stalled = stalledSince === undefined ? '' : `; reads wait for the backup since ${stalledSince}`;
  const error = lastError === undefined ? '' : `; last error: ${lastError}`;
  return `${remotePath}/${sessionId}: changes ${gib(overlayBytes)} of ${gib(reservedBytes)}${stalled}${error}`;
}

function section(title: string, lines: readonly string[]): string[] {
  return [`${title}: ${lines.length === 0 ? 'none' : ''}`.trimEnd(), ...lines.map((line) => `  ${line}`)];
}

const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
