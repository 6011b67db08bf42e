// What the steps need of the outside: the engines, as worker/compose.ts puts them together. Each port asks for
// no more than the steps use, so that a test can bring its own.
import type {
  ExportFile,
  ExportStatus,
  GatewayStatus,
  Lease,
  MountObservation,
  OpenPoint,
  PublishedExport,
  PublishRequest,
  SpaceAnswer,
  SpaceRequest,
  TurnAnswer,
  TurnRequest,
} from '../gateway/index.ts';
import type { SiteKey } from '../secrets/index.ts';
import type { Vault } from '../vault/index.ts';
import type { VmFolder } from '../vm-folder/index.ts';
import type { Vsphere } from '../vsphere/index.ts';

export interface ActivityDeps {
  readonly site: string;
  readonly siteKey: SiteKey;
  readonly vaults: Vaults;
  readonly vmFolders: VmFolders;
  readonly gateway: Gateway;
  readonly targets: Targets;
  /** Addresses or CIDR ranges that may mount exports, besides the hosts' own VMkernel addresses. */
  readonly allow: readonly string[];
  /** Migrations to one datastore at a time, of all sessions of the site. */
  readonly parallelMigrations: number;
  /** Folder of the drills' reports, absolute. */
  readonly drillReports: string;
  /** Folder of what proofs back up while they run, absolute. */
  readonly proofs: string;
}

export interface Vaults {
  /** Makes an empty vault; throws VaultError VaultExists. */
  init(location: string): Promise<{ readonly vaultId: string }>;
  /** Throws VaultError: VaultNotFound, NotAVault, FormatUnsupported, DestinationUnavailable. */
  open(location: string): Promise<Vault>;
}

export interface VmFolders {
  /** Throws VmFolderError. */
  open(folder: string): Promise<VmFolder>;
}

/** Throws GatewayError throughout. */
export interface Gateway {
  status(): Promise<GatewayStatus>;
  space(request: SpaceRequest): Promise<SpaceAnswer>;
  publish(request: PublishRequest): Promise<PublishedExport>;
  drop(sessionId: string): Promise<void>;
  exports(): Promise<readonly ExportStatus[]>;
  exportStatus(
    sessionId: string,
  ): Promise<Pick<ExportStatus, 'fence' | 'reservedBytes' | 'overlayBytes' | 'lastError'>>;
  /** Hosts can write so many bytes more into the session's directory. */
  makeRoom(sessionId: string, bytes: number): Promise<void>;
  /** The session's old VM can't run from then on: of its files only those in `keep` are served. */
  fence(sessionId: string, keep: readonly string[]): Promise<void>;
  /** Throws FenceFinal after `sealFence`. */
  liftFence(sessionId: string): Promise<void>;
  sealFence(sessionId: string): Promise<void>;
  /** READs of the session's disks are held back to so many bytes a second; 0: all of them. */
  limitReads(sessionId: string, bytesPerSecond: number): Promise<void>;
  /** None is done, and so is no export. */
  liftReadLimit(sessionId: string): Promise<void>;
  takeLease(lease: Lease): Promise<readonly Lease[]>;
  releaseLease(lease: Lease): Promise<readonly Lease[]>;
  leases(): Promise<readonly Lease[]>;
  /** Stands in the queue from then on, where it stood before if it did. */
  takeTurn(request: TurnRequest): Promise<TurnAnswer>;
  releaseTurn(sessionId: string): Promise<void>;
  /** What lies in a session's directory now. */
  files(sessionId: string): Promise<readonly ExportFile[]>;
  mounts(): Promise<readonly MountObservation[]>;
  /** Lends the session's disks as they are at a moment of the call, for as long as `body` runs. */
  withPoint<T>(sessionId: string, body: (point: OpenPoint) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Holds the lock while `body` runs; a process that dies loses it. */
  withLock<T>(name: string, holder: string, body: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export interface TargetLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly fingerprint: string;
}

export interface Targets {
  /** Lends a logged-in session, shared with other steps; throws VsphereError. */
  use<T>(login: TargetLogin, signal: AbortSignal, work: (vsphere: Vsphere) => Promise<T>): Promise<T>;
  /** What a target shows before anybody logs in. */
  readFingerprint(host: string, port: number, signal: AbortSignal): Promise<string>;
}
