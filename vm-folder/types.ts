// The shapes that this room hands out. Sizes and offsets are safe integers in bytes.

/** One disk of an open VM folder; what a vault backs up. */
export interface FolderDisk {
  /** Unique within the VM, and a plain file name: `PublishedDisk.diskName`. */
  readonly name: string;
  /** The descriptor's absolute path. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Fills `into` from `offsetBytes`; reading beyond `sizeBytes` throws SourceInvalid. */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
}

/** .vmx, .nvram, disk descriptors; byte for byte. */
export interface FolderFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The folder of a VM that is powered off, held open for a backup. */
export interface VmFolder {
  readonly folder: string;
  /** The .vmx's displayName, or the .vmx file's name without its ending. */
  readonly vmName: string;
  readonly vmxName: string;
  readonly disks: readonly FolderDisk[];
  readonly files: readonly FolderFile[];
  /** Hardware that can't come along, told at backup already. */
  readonly findings: readonly HardwareFinding[];
  /** Throws SourceInUse or SourceChanged when the VM was started, or a file was touched, since the folder was opened. */
  assertUnchanged(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenVmFolderOptions {
  /** Where datastores are on this machine, by name; for disks that the .vmx names on another datastore. */
  readonly datastores?: Readonly<Record<string, string>>;
}

export interface HardwareFinding {
  readonly severity: 'error' | 'warning';
  /** Stable, for scripts: `RawDeviceMapping`, `PciPassthrough`, … */
  readonly code: HardwareFindingCode;
  readonly message: string;
}
export type HardwareFindingCode =
  | 'RawDeviceMapping'
  | 'PciPassthrough'
  | 'VirtualTpm'
  | 'EncryptedVm'
  | 'IndependentDisk'
  | 'HasSnapshots'
  | 'NoDisk'
  | 'OtherDisk'
  | 'RemovableMedia';

/** A disk of a .vmx, and what it is called in a backup and where that is published. */
export interface PublishedDisk {
  /** Device of the .vmx: `scsi0:0`. */
  readonly device: string;
  /** As the .vmx has it: a plain name, or a path on another datastore. */
  readonly fileName: string;
  /** Its name in the backup, and that of its descriptor: `web01.vmdk`. */
  readonly diskName: string;
  /** `web01-flat.vmdk` */
  readonly flatName: string;
}

/** A network card of a .vmx. */
export interface NetworkCard {
  /** `ethernet0` */
  readonly node: string;
  /** Lower case with colons. */
  readonly mac: string | undefined;
  readonly network: string | undefined;
}

export interface PublishOptions {
  readonly sessionId: string;
  readonly displayName: string;
  /**
   * `disconnected`: every NIC is there, and starts unplugged. A port group: every NIC is on it, whatever switch it
   * was on before.
   */
  readonly network: 'original' | 'disconnected' | { readonly portGroup: string };
  /** Where disks of changes go, as hosts take it (`/vmfs/volumes/…`); beside the disks unless said. */
  readonly changesDirectory?: string | undefined;
  /** Disks that do not lie beside the .vmx, by their `diskName`: as hosts take their paths (`/vmfs/volumes/…`). */
  readonly disksElsewhere?: Readonly<Record<string, string>> | undefined;
  /** MAC addresses; kept unless said. */
  readonly mac?: 'keep' | 'renew' | undefined;
  /** UUIDs of BIOS and instance; kept unless said. The host makes the new ones at the first power-on. */
  readonly uuid?: 'keep' | 'renew' | undefined;
}
