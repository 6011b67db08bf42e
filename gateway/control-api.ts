// What a worker may ask of the gateway: HTTP with JSON over a Unix socket that only the service's user can
// open. The socket is the permission; there is no other. Every request is idempotent unless it says otherwise.
//
//   GET    /status                         GatewayStatus
//   POST   /space                          SpaceRequest   → SpaceAnswer         (asks, reserves nothing)
//   POST   /exports                        PublishRequest → PublishedExport     (reserves the space atomically)
//   GET    /exports                        → ExportStatus[]
//   GET    /exports/SESSION                → ExportStatus; 404 NotFound
//   GET    /files/SESSION                  → ExportFile[]; 404 NotFound
//   DELETE /exports/SESSION                drops export, overlay and key; a session once dropped stays dropped
//   PUT    /fences/SESSION                 FenceRequest; only what it keeps is served from then on
//   DELETE /fences/SESSION                 all is served again; 409 FenceFinal after the seal
//   PUT    /seals/SESSION                  the fence is never lifted again
//   PUT    /limits/SESSION                 LimitRequest; READs of its disks are held back, until it is lifted or dropped
//   DELETE /limits/SESSION                 they are not any more; none is done
//   PUT    /rooms/SESSION                  RoomRequest; hosts can write so much more there
//   PUT    /leases                         Lease → Lease[] on that host and datastore; ExportDropped for a session that was
//   DELETE /leases                         Lease → Lease[] that are left
//   GET    /leases                         → Lease[]
//   PUT    /turns                          TurnRequest → TurnAnswer
//   DELETE /turns/SESSION                  gives the turn back, or stops waiting
//   GET    /turns                          → Turn[], in the order of the queue
//   GET    /mounts                         → MountObservation[]  (who mounted what, since the gateway was started)
//   POST   /locks                          LockRequest; answers 200 when held, holds until the connection closes
//   POST   /points                         PointRequest → ExportPoint, one line; open until the connection closes
//   POST   /changes                        ChangesRequest → PointChanges
//   POST   /reads                          ReadRequest → the bytes, as they are
//
// An error is answered with its status and { code, message }, code being a GatewayErrorCode. What is not in this list is
// answered with UnknownCall: a worker may ask for more than an older gateway knows.
import { z } from 'zod';

const plainName = z
  .string()
  .min(1)
  .max(255)
  .refine((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..', 'a plain file name');

export const publishRequestSchema = z.object({
  sessionId: plainName,
  /** Names the mount path: one per target, so that a host sees no other target's disks. */
  targetId: z.string().regex(/^[a-z0-9-]{1,40}$/),
  /** Addresses (or CIDR ranges) that may mount it; NFS calls of others are refused. */
  allow: z.array(z.string()).min(1).max(256),
  source: z.object({
    vault: z.string(),
    backupSet: z.string(),
    jobId: z.string(),
    vmName: z.string(),
    /** The backup set's key, 32 bytes, base64. Kept in the site's credential store until the export is dropped. */
    setKey: z.string(),
  }),
  vmx: z.object({
    displayName: z.string().min(1),
    /** As in the backup, unplugged, or every NIC on this port group. */
    network: z.union([
      z.enum(['original', 'disconnected']),
      z.object({ portGroup: z.string().min(1).max(80) }),
    ]),
    /** Where disks of changes go, as hosts take it; into the session's directory unless said. */
    changesDirectory: z.string().startsWith('/').max(1024).optional(),
    /** MAC addresses and UUIDs; kept unless said. */
    mac: z.enum(['keep', 'renew']).optional(),
    uuid: z.enum(['keep', 'renew']).optional(),
  }),
  reserveFactor: z.number().positive(),
  /** For people who look for files: nothing in it, and nothing at its share's root, can be changed. */
  readOnly: z.boolean().optional(),
});
export type PublishRequest = z.infer<typeof publishRequestSchema>;

export interface PublishedExport {
  readonly sessionId: string;
  /** What CreateNasDatastore gets as remoteHost and remotePath. */
  readonly remoteHost: string;
  readonly remotePath: string;
  /** Relative to the datastore's root: `SESSION/NAME.vmx`. */
  readonly vmxPath: string;
  readonly disks: readonly { readonly path: string; readonly sizeBytes: number }[];
}

export interface ExportStatus extends PublishedExport {
  readonly targetId: string;
  /** What it shows, and as what: from the request that published it. */
  readonly source: Omit<PublishRequest['source'], 'setKey'>;
  readonly displayName: string;
  readonly changesDirectory: string | undefined;
  readonly readOnly: boolean;
  readonly publishedAt: string;
  readonly provisionedBytes: number;
  readonly reservedBytes: number;
  /** Bytes that the overlay takes on the gateway's disk. */
  readonly overlayBytes: number;
  /** The VM is on its way to production: its old files are not served. `final`: nobody lifts that any more. */
  readonly fence: 'raised' | 'final' | undefined;
  /** READs of its disks are held back to so many bytes a second; 0: all of them. */
  readonly readLimit: number | undefined;
  /** Set while reads of the destination are failing and being retried. */
  readonly stalledSince: string | undefined;
  /** The last error of the data path, in words, if there was one. */
  readonly lastError: string | undefined;
}

/** A file in a session's directory, as it is now. */
export interface ExportFile {
  readonly name: string;
  readonly kind: 'file' | 'directory';
  readonly sizeBytes: number;
  /** WRITEs since the gateway was started, by how stable the host asked them to be: FILE_SYNC and DATA_SYNC, UNSTABLE. */
  readonly writes: { readonly stable: number; readonly unstable: number };
}

export const fenceRequestSchema = z.object({
  /** Plain names in the session's directory: what is served on. */
  keep: z.array(plainName).max(1024),
});
export type FenceRequest = z.infer<typeof fenceRequestSchema>;

export const limitRequestSchema = z.object({ bytesPerSecond: z.number().int().nonnegative() });
export type LimitRequest = z.infer<typeof limitRequestSchema>;

export const roomRequestSchema = z.object({ bytes: z.number().int().nonnegative() });
export type RoomRequest = z.infer<typeof roomRequestSchema>;

export const spaceRequestSchema = z.object({
  provisionedBytes: z.number().int().nonnegative(),
  reserveFactor: z.number().positive(),
});
export type SpaceRequest = z.infer<typeof spaceRequestSchema>;
export interface SpaceAnswer {
  readonly neededBytes: number;
  /** Free on the file system, less what is reserved for other exports and not used yet. */
  readonly availableBytes: number;
  readonly fits: boolean;
}

/** A session's claim on a host's mount. While one is held, nobody unmounts the datastore from that host. */
export const leaseSchema = z.object({
  host: z.string().min(1).max(255),
  datastore: z.string().min(1).max(42),
  sessionId: plainName,
});
export type Lease = z.infer<typeof leaseSchema>;

/** A session that works, or waits, at places where only so many may at a time. */
export const turnSchema = z.object({
  sessionId: plainName,
  places: z.array(z.string().min(1).max(255)).min(1).max(256),
});
export type Turn = z.infer<typeof turnSchema>;
export const turnRequestSchema = turnSchema.extend({ atATime: z.number().int().positive() });
export type TurnRequest = z.infer<typeof turnRequestSchema>;
export interface TurnAnswer {
  /** Sessions that come before it, in their order; none when it has its turn. */
  readonly waitsFor: readonly string[];
}

export const lockRequestSchema = z.object({
  name: z.string().min(1).max(300),
  holder: z.string().min(1).max(300),
});

/** Not repeatable: each one is another moment. */
export const pointRequestSchema = z.object({ sessionId: plainName });
/** A session's disks as they were at one moment, to be read for as long as the connection that asked is open. */
export interface ExportPoint {
  readonly pointId: string;
  /** The moment, ISO 8601, UTC. */
  readonly at: string;
  /** What the session runs from, and differs from where it changed; the key as in the request that published it. */
  readonly source: PublishRequest['source'];
  readonly disks: readonly {
    /** Its name in the backup. */
    readonly name: string;
    readonly sizeBytes: number;
    /** How much of it may differ from the backup. */
    readonly changedBytes: number;
  }[];
  /** What a backup of the VM would hold beside its disks; contents in base64. */
  readonly files: readonly { readonly name: string; readonly contents: string }[];
}

const ofPoint = { pointId: z.string().max(64), disk: z.string().max(255) };
const offset = z.number().int().nonnegative();
export const changesRequestSchema = z.object({ ...ofPoint, fromBytes: offset });
export type ChangesRequest = z.infer<typeof changesRequestSchema>;
export interface PointChanges {
  /** Offset and length in bytes, in order. */
  readonly ranges: readonly (readonly [number, number])[];
  /** Where to ask on; undefined at the end. */
  readonly nextBytes: number | undefined;
}
const MAX_POINT_READ_BYTES = 4 * 1024 * 1024;
export const readRequestSchema = z.object({
  ...ofPoint,
  offsetBytes: offset,
  lengthBytes: z.number().int().positive().max(MAX_POINT_READ_BYTES),
});
export type ReadRequest = z.infer<typeof readRequestSchema>;

export interface GatewayStatus {
  readonly pid: number;
  readonly startedAt: string;
  readonly version: string;
  readonly advertise: string;
  /** `portmap` is undefined where the ports are not announced, or by another portmapper. */
  readonly ports: { readonly nfs: number; readonly mount: number; readonly portmap: number | undefined };
  readonly exports: number;
  readonly space: { readonly totalBytes: number; readonly freeBytes: number; readonly reservedBytes: number };
}

/** The last MOUNT of a target's share by a host: the proof that it reaches the gateway under the advertised name. */
export interface MountObservation {
  readonly targetId: string;
  readonly address: string;
  readonly at: string;
}

export type GatewayErrorCode =
  | 'InvalidInput'
  | 'NotFound'
  /** It can't be done with the session as it is; the message says why. */
  | 'NotSupported'
  /** It can be done as soon as something else is over. */
  | 'Busy'
  | 'ExportDropped'
  | 'ExportConflict'
  | 'FenceFinal'
  | 'StorageFull'
  | 'NotAVault'
  | 'BackupNotFound'
  | 'ChainBroken'
  | 'BlockCorrupt'
  | 'KeyRejected'
  | 'FormatUnsupported'
  | 'DestinationUnavailable'
  | 'GatewayUnavailable'
  /** It does not know what is asked: it is of another version than who asks. */
  | 'UnknownCall'
  | 'Unexpected';
