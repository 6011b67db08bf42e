// What callers see of a target: plain, JSON-safe values. A moref is the value of a ManagedObjectReference
// (`vm-42`, `host-9`, `ha-host`); its type is fixed by the place where it stands.

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** SHA-256 of the server's certificate (DER): 64 upper-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Ends the connecting, not the connection that came of it. */
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Options of a call that runs as a Task at the target. */
export interface TaskOptions extends CallOptions {
  /** Per cent, as the target tells it; may stay silent or jump. */
  readonly onProgress?: ((percent: number) => void) | undefined;
  /** The task's moref as soon as it is known: with it, `attachTask` waits for the same task after a crash. */
  readonly onTask?: ((task: string) => void) | undefined;
}

/** Options of a task whose `signal` does more than to stop waiting: it asks the target to cancel the task. */
export interface CancellableTaskOptions extends TaskOptions {
  /** Stops the waiting and leaves the task running, as a worker that ends does; it can be attached to again. */
  readonly detach?: AbortSignal | undefined;
}

/** ServiceContent.about: what speaks at the other end. */
export interface About {
  readonly apiType: 'VirtualCenter' | 'HostAgent';
  /** Version of the API, such as `8.0.3.0`; the product's own in `version`. */
  readonly apiVersion: string;
  readonly version: string;
  readonly build: string;
  readonly name: string;
  readonly fullName: string;
  /** Of a vCenter; a host has none. */
  readonly instanceUuid: string | undefined;
}

export type PowerState = 'poweredOn' | 'poweredOff' | 'suspended';
export type ConnectionState = 'connected' | 'disconnected' | 'notResponding';
export type HeartbeatStatus = 'gray' | 'green' | 'yellow' | 'red';

export interface Host {
  readonly moref: string;
  readonly name: string;
  readonly connectionState: ConnectionState;
  readonly inMaintenanceMode: boolean;
  /** Product version, such as `8.0.3`; empty for a host that does not answer. */
  readonly version: string;
  readonly capability: {
    readonly vmotionSupported: boolean;
    readonly storageVMotionSupported: boolean;
  };
  /** The ComputeResource or ClusterComputeResource that it belongs to, and that one's root resource pool. */
  readonly computeResource: {
    readonly moref: string;
    readonly name: string;
    readonly isCluster: boolean;
    readonly resourcePool: string;
  };
  readonly datacenter: { readonly moref: string; readonly name: string; readonly vmFolder: string };
  /** Morefs of the datastores that it has mounted. */
  readonly datastores: readonly string[];
  /** Addresses of its VMkernel interfaces: where its NFS client comes from. */
  readonly vmknicAddresses: readonly string[];
  readonly networks: readonly { readonly moref: string; readonly name: string }[];
}

export interface Datastore {
  readonly moref: string;
  readonly name: string;
  /** `VMFS`, `NFS`, `NFS41`, `vsan`, … */
  readonly type: string;
  readonly url: string;
  readonly capacityBytes: number;
  readonly freeBytes: number;
  readonly accessible: boolean;
  /** Going into maintenance, or in it: nothing should be put there. `inventory` always says it. */
  readonly inMaintenanceMode?: boolean;
  readonly nas: { readonly remoteHost: string; readonly remotePath: string } | undefined;
  /** Morefs of the hosts that have it mounted. */
  readonly hosts: readonly string[];
}

export interface Folder {
  readonly moref: string;
  readonly name: string;
  /** Names from the datacenter's VM folder down, joined by `/`; empty for that folder itself. */
  readonly path: string;
  readonly datacenter: string;
}

export interface ResourcePool {
  readonly moref: string;
  readonly name: string;
  /** Names from the root pool down, joined by `/`; empty for the root pool itself. */
  readonly path: string;
  readonly computeResource: string;
}

export interface Inventory {
  readonly hosts: readonly Host[];
  readonly datastores: readonly Datastore[];
  /** Folders that can hold VMs. */
  readonly folders: readonly Folder[];
  readonly resourcePools: readonly ResourcePool[];
}

export interface VmSummary {
  readonly moref: string;
  readonly name: string;
  readonly powerState: PowerState;
  /** Moref of its host; undefined while it has none. */
  readonly host: string | undefined;
  /** Moref of its folder; undefined where it is in none (in a vApp) or the account can't see it. */
  readonly folder: string | undefined;
  /** `[datastore] folder/name.vmx` */
  readonly vmPathName: string;
  /** Its disks and what they stand on: `[datastore] folder/name.vmdk`. */
  readonly diskFiles: readonly string[];
  /** Where its snapshots' disks and its swap file go: `[datastore] folder`; empty where it can't be read. */
  readonly workingFolder: string;
  /** Of its BIOS, and of its instance, as the API writes them; empty where they can't be read. */
  readonly uuid: string;
  readonly instanceUuid: string;
  readonly macs: readonly string[];
  readonly extraConfig: Readonly<Record<string, string>>;
}

export interface ListVmsOptions extends CallOptions {
  /** Templates, too: they own files as VMs do. */
  readonly templates?: boolean;
}

export interface VirtualDisk {
  readonly key: number;
  /** Where it hangs, as a .vmx writes it: `scsi0:1`. `readVm` says it wherever the controller is of a known kind. */
  readonly node?: string | undefined;
  /** `[datastore] folder/name.vmdk`; empty for a disk that is not a file. */
  readonly fileName: string;
  readonly capacityBytes: number;
  /** Descriptors below `fileName`, the nearest first: what a snapshot's disk stands on. */
  readonly parents: readonly string[];
}

export interface Snapshot {
  readonly moref: string;
  readonly name: string;
  readonly description: string;
  /** ISO 8601, by the host's clock. */
  readonly createTime: string;
  /** Of the VM when it was taken. */
  readonly powerState: PowerState;
  readonly quiesced: boolean;
  /** The one that the VM's disks stand on now. */
  readonly isCurrent: boolean;
  readonly children: readonly Snapshot[];
}

export interface Nic {
  readonly key: number;
  /** As a .vmx writes it: `ethernet0`. `readVm` says it for every card that a host has numbered. */
  readonly node?: string | undefined;
  readonly label: string;
  readonly macAddress: string;
  readonly connected: boolean;
  readonly startConnected: boolean;
  /** Name of the network; undefined where the backing has none to show. */
  readonly network: string | undefined;
  /** Of a distributed switch: the key of its port group, which is the moref of the network as well. */
  readonly portgroupKey?: string | undefined;
}

/** What the host asks before it goes on (VirtualMachineQuestionInfo). */
export interface VmQuestion {
  readonly id: string;
  readonly text: string;
  /** Ids of the messages, such as `msg.uuid.altered`. */
  readonly messageIds: readonly string[];
  readonly choices: readonly { readonly key: string; readonly label: string; readonly summary: string }[];
  readonly defaultChoice: string | undefined;
}

/** What changes by itself while a VM lives; the part of it that `waitForVm` watches. */
export interface VmState {
  readonly powerState: PowerState;
  /** `connected`, `disconnected`, `orphaned`, `inaccessible`, `invalid` */
  readonly connectionState: string;
  readonly host: string | undefined;
  readonly guestHeartbeatStatus: HeartbeatStatus;
  /** `guestToolsRunning`, `guestToolsNotRunning`, `guestToolsExecutingScripts`; empty where unknown. */
  readonly toolsRunningStatus: string;
  readonly guestIpAddresses: readonly string[];
  readonly question: VmQuestion | undefined;
}

export interface Vm extends VmState {
  readonly moref: string;
  readonly name: string;
  /** Morefs; undefined in a vApp, or where the account can't see them. `readVm` says them otherwise. */
  readonly folder?: string | undefined;
  readonly resourcePool?: string | undefined;
  readonly vmPathName: string;
  readonly instanceUuid: string;
  readonly uuid: string;
  /** Morefs of the datastores that its files lie on. */
  readonly datastores: readonly string[];
  readonly disks: readonly VirtualDisk[];
  readonly nics: readonly Nic[];
  readonly macs: readonly string[];
  readonly extraConfig: Readonly<Record<string, string>>;
  readonly annotation: string;
  /** The roots of the tree; empty without snapshots. `readVm` always says it. */
  readonly snapshots?: readonly Snapshot[];
  /** Disks of snapshots that are gone from the tree still stand in the chain. `readVm` always says it. */
  readonly consolidationNeeded?: boolean;
}

export interface NasDatastoreSpec {
  /** Name of the datastore (`localPath` in vim25), at most 42 characters. */
  readonly name: string;
  readonly remoteHost: string;
  readonly remotePath: string;
}

export interface RegisterVmSpec {
  /** Moref of the Folder. */
  readonly folder: string;
  /** `[datastore] folder/name.vmx` */
  readonly path: string;
  /** The VM's name in the inventory. */
  readonly name: string;
  /** Moref of the ResourcePool. */
  readonly pool: string;
  /** Moref of the HostSystem. */
  readonly host: string;
}

export interface ReconfigureSpec {
  /** Keys to set; an empty value removes the key. */
  readonly extraConfig?: Readonly<Record<string, string>>;
  readonly annotation?: string;
  readonly nics?: readonly NicChange[];
}

/** A disk whose file is there already. */
export interface AttachDiskSpec {
  /** `[datastore] folder/name.vmdk`; on a vSAN with the folder's lasting name (`makeDirectory`). */
  readonly path: string;
  readonly capacityBytes: number;
}

/** What is to change in a network card; the rest of it stays as it is. */
export interface NicChange {
  readonly key: number;
  readonly connected?: boolean;
  readonly startConnected?: boolean;
  /** Moref of the network, as in `Host.networks`; standard and distributed ones. */
  readonly network?: string;
}

/** Which of a disk's files move (VirtualMachineRelocateDiskMoveOptions). */
export type DiskMoveType =
  | 'moveAllDiskBackingsAndAllowSharing'
  | 'moveAllDiskBackingsAndDisallowSharing'
  | 'moveChildMostDiskBacking'
  | 'createNewChildDiskBacking'
  | 'moveAllDiskBackingsAndConsolidate';

/** Where a VM goes; what is absent stays where it is. Morefs. */
export interface RelocateSpec {
  readonly folder?: string;
  /** For the VM's own files, and for disks that `disks` does not name. */
  readonly datastore: string;
  readonly diskMoveType?: DiskMoveType;
  readonly pool?: string;
  readonly host?: string;
  readonly disks?: readonly {
    readonly key: number;
    readonly datastore: string;
    readonly diskMoveType?: DiskMoveType;
  }[];
  readonly networks?: readonly NicChange[];
}

export interface RelocateOptions extends CancellableTaskOptions {
  readonly priority?: 'lowPriority' | 'highPriority' | 'defaultPriority';
}

/** What stands against a relocation, or should be known of it: name of the fault, and words. */
export interface RelocateFinding {
  readonly fault: string;
  readonly text: string;
}

export interface RelocateCheck {
  readonly errors: readonly RelocateFinding[];
  readonly warnings: readonly RelocateFinding[];
}

export interface SnapshotSpec {
  readonly name: string;
  readonly description: string;
  /** Without it the guest's memory is not kept. */
  readonly memory: false;
  /** Asks VMware Tools to bring the guest's file systems to rest before. */
  readonly quiesce: boolean;
}

/** `datacenter` is a moref; needed only where the datastore's name is not unique at the target. */
export interface FileOptions extends TaskOptions {
  readonly datacenter?: string | undefined;
}

export interface DeleteFileOptions extends FileOptions {
  /**
   * Name of the file in the folder that goes after all others, where they are deleted one by one (vSAN, vVols). A plain
   * folder is the host's to delete, in an order of its own.
   */
  readonly last?: string | undefined;
}

/** Of a file or disk, both as `[datastore] folder/name`; datacenters as in `FileOptions`. */
export interface CopySpec {
  readonly source: string;
  readonly sourceDatacenter?: string;
  readonly destination: string;
  readonly destinationDatacenter?: string;
}

export interface CopyFileSpec extends CopySpec {
  /** Replaces a file of that name; otherwise it is `AlreadyExists`. */
  readonly overwrite?: boolean;
}

export interface CopyVirtualDiskSpec extends CopySpec {
  /** A host needs it (without it: preallocated, busLogic); a vCenter knows none and refuses it. */
  readonly spec?: {
    readonly diskType: 'thin' | 'preallocated' | 'eagerZeroedThick';
    readonly adapterType: 'lsiLogic' | 'busLogic' | 'ide';
  };
}

export interface DatastoreFile {
  /** `[datastore] folder/name` */
  readonly path: string;
  readonly isFolder: boolean;
  /** As the datastore browser says it: for a disk, the bytes of all its files. */
  readonly sizeBytes: number;
  /** ISO 8601; undefined where the datastore does not say. */
  readonly modified: string | undefined;
}

/** A port group of a standard vSwitch that has no uplink: its VMs see each other, and nothing else. */
export interface IsolatedNetworkSpec {
  /** At most 31 characters. */
  readonly vswitch: string;
  readonly portGroup: string;
}

export interface PowerOnOptions extends TaskOptions {
  /** What to say when the host asks whether the VM was moved or copied; any other question is left to a person. */
  readonly movedOrCopied: 'moved' | 'copied';
  /** Called for a question that this call does not answer; the power-on waits until somebody does. */
  readonly onQuestion?: ((question: VmQuestion) => void) | undefined;
}

export interface WaitForVmOptions extends CallOptions {
  readonly timeoutMs: number;
  readonly onChange?: ((state: VmState) => void) | undefined;
}

/** What the target's licence lets the API do. */
export interface LicenceFinding {
  readonly allowsWrites: boolean;
  /** Name and edition key, as the target shows them; undefined where it shows none. */
  readonly edition: string | undefined;
}

/** A logged-in session with a vCenter or a host. Disposing it logs out. Errors are `VsphereError`. */
export interface Vsphere extends AsyncDisposable {
  readonly about: About;
  readonly isVirtualCenter: boolean;

  inventory(options?: CallOptions): Promise<Inventory>;
  /** Every VM that the account can see, page by page; templates only where they are asked for. */
  listVms(options?: ListVmsOptions): AsyncIterable<VmSummary>;
  licence(options?: CallOptions): Promise<LicenceFinding>;

  /** Mounts an NFSv3 datastore on a host and returns its moref; one that already stands for the same is reused. */
  createNasDatastore(host: string, spec: NasDatastoreSpec, options?: CallOptions): Promise<string>;
  /** Asks for a mount that stands already, without looking first, as two who begin at once do. Answers the fault
   * that the host refuses it with; throws `DatastoreConflict` unless what stands is what was asked for. */
  repeatNasDatastore(
    host: string,
    spec: NasDatastoreSpec,
    options?: CallOptions,
  ): Promise<{ readonly fault: string | undefined }>;
  /** Unmounts from one host, by name or moref. Not there is done; `ResourceInUse` while VMs use it. */
  removeDatastore(host: string, nameOrMoref: string, options?: CallOptions): Promise<void>;

  /** Registers and returns the VM's moref; one that is registered with that path already is returned. */
  registerVm(spec: RegisterVmSpec, options?: TaskOptions): Promise<string>;
  /** Takes the VM out of the inventory; its files stay. Gone is done. */
  unregisterVm(vm: string, options?: CallOptions): Promise<void>;
  /** Undefined when it is gone. Throws `InvalidState` while the host can't read its configuration. */
  readVm(vm: string, options?: CallOptions): Promise<Vm | undefined>;
  findVmsByExtraConfig(key: string, value: string, options?: CallOptions): Promise<readonly VmSummary[]>;
  /** By `[datastore] folder/name.vmx`. */
  findVmByPath(path: string, options?: CallOptions): Promise<VmSummary | undefined>;
  findVmsByName(name: string, options?: CallOptions): Promise<readonly VmSummary[]>;

  reconfigureVm(vm: string, spec: ReconfigureSpec, options?: TaskOptions): Promise<void>;
  /** Where `attachDisk` would hang a disk now, as a .vmx writes it: `scsi0:1`. Undefined where no place is free. */
  findDiskPlace(vm: string, options?: CallOptions): Promise<string | undefined>;
  /** Adds a disk, on or off; returns where it hangs. One that the VM has already is returned. `NotSupported` when no
   * place is free, `InvalidPowerState` for a VM that is suspended, `ResourceInUse` for a file that is in use. */
  attachDisk(vm: string, spec: AttachDiskSpec, options?: TaskOptions): Promise<string>;
  /** Takes the disk of that file off the VM; the file stays. Gone is done. `InvalidState` under a snapshot. */
  detachDisk(vm: string, path: string, options?: TaskOptions): Promise<void>;
  answerVm(vm: string, questionId: string, choiceKey: string, options?: CallOptions): Promise<void>;
  /** Re-attaches to a power-on that runs, and lets a suspend come to its end first; powered on already is done. */
  powerOnVm(vm: string, options: PowerOnOptions): Promise<void>;
  /** Powered off already is done. A VM that waits for space is terminated by its question. */
  powerOffVm(vm: string, options?: TaskOptions): Promise<void>;
  /** Asks the guest; returns when it was asked, not when it is down. `InvalidState` without running Tools. */
  shutdownGuest(vm: string, options?: CallOptions): Promise<void>;
  resetVm(vm: string, options?: TaskOptions): Promise<void>;
  /** Re-attaches to a suspend that runs; suspended already is done. */
  suspendVm(vm: string, options?: TaskOptions): Promise<void>;
  /** PNG of a powered-on VM's console. */
  screenshot(vm: string, options?: CallOptions): Promise<Uint8Array>;

  /** Waits for a task that `onTask` named. `NotFound` when the target has forgotten it, minutes after its end. */
  attachTask(task: string, options?: TaskOptions): Promise<void>;
  /** Asks the target to give a task up, and does not wait: `attachTask` tells how it ends. Ended already is done. */
  cancelTask(task: string, options?: CallOptions): Promise<void>;
  /** Through a vCenter (Storage vMotion, or cold); a task of an earlier try is attached to, there already is done.
   * When `signal` aborts, the target is asked to cancel: `Cancelled` with the fault `RequestCanceled` says that it
   * did and the VM is where it was; returning says that it was finished before, whatever the signal is. */
  relocateVm(vm: string, spec: RelocateSpec, options?: RelocateOptions): Promise<void>;
  /** Tries nothing. `NotSupported` at a host alone. */
  checkRelocate(vm: string, spec: RelocateSpec, options?: TaskOptions): Promise<RelocateCheck>;
  /** Returns the snapshot's moref; one of that name that stands, or is being made, is returned. */
  createSnapshot(vm: string, spec: SnapshotSpec, options?: TaskOptions): Promise<string>;
  /** The one of that name, merged into what it froze; later ones stay. None is done. */
  removeSnapshot(vm: string, name: string, options?: TaskOptions): Promise<void>;
  /** None is done. */
  removeAllSnapshots(vm: string, options?: TaskOptions & { readonly consolidate?: boolean }): Promise<void>;
  consolidateDisks(vm: string, options?: TaskOptions): Promise<void>;
  /** In the inventory; files keep their names. */
  renameVm(vm: string, name: string, options?: TaskOptions): Promise<void>;
  /** Deletes the VM with all its files, for an original whose removal was asked for. Gone is done. */
  destroyVm(vm: string, options?: TaskOptions): Promise<void>;

  /** `AlreadyExists` when the destination is there. A signal stops the waiting alone; see `cancelTask`. */
  copyVirtualDisk(spec: CopyVirtualDiskSpec, options?: TaskOptions): Promise<void>;
  /** The descriptor with all its extents. Gone is done. */
  deleteVirtualDisk(path: string, options?: FileOptions): Promise<void>;
  /**
   * With the folders above it; there already is done. Returns the path that it has for good: on vSAN and vVols a
   * top-level folder is called by a UUID, `[vsan] 5f…/inner`, and that is how a VM in it names its files. Every call
   * on files finds it by the name it was asked for, too.
   */
  makeDirectory(path: string, options?: FileOptions): Promise<string>;
  /** A folder's path as `makeDirectory` returns it, and as VMs name their files in it; where there is none, as it was asked for. */
  lastingPath(path: string, options?: FileOptions): Promise<string>;
  /** A file, or a folder with all that is in it, on vSAN with its disks. Gone is done. */
  deleteDatastoreFile(path: string, options?: DeleteFileOptions): Promise<void>;
  copyDatastoreFile(spec: CopyFileSpec, options?: TaskOptions): Promise<void>;
  moveDatastoreFile(spec: CopyFileSpec, options?: TaskOptions): Promise<void>;
  /** Files and folders in a folder and below it; undefined when there is none. */
  listFolder(path: string, options?: FileOptions): Promise<readonly DatastoreFile[] | undefined>;
  /** Writes a small file, replacing one of that name. */
  uploadFile(path: string, content: Uint8Array, options?: FileOptions): Promise<void>;
  /** Reads a small file. `NotFound` when it is not there. */
  downloadFile(path: string, options?: FileOptions): Promise<Uint8Array>;

  /** Makes the vSwitch and the port group unless they stand; returns the network's moref. `AlreadyExists` for a
   * port group on another vSwitch, `InvalidState` for a vSwitch with an uplink. */
  addIsolatedPortGroup(host: string, spec: IsolatedNetworkSpec, options?: CallOptions): Promise<string>;
  /** Takes both away, the vSwitch when it is empty. Gone is done; `ResourceInUse` while a VM is connected. */
  removeIsolatedPortGroup(host: string, spec: IsolatedNetworkSpec, options?: CallOptions): Promise<void>;
  /**
   * Waits until `predicate` holds and returns the state that it held for; undefined when the time was up.
   * Listens to the property collector. `NotFound` when the VM goes away meanwhile.
   */
  waitForVm(
    vm: string,
    predicate: (state: VmState) => boolean,
    options: WaitForVmOptions,
  ): Promise<VmState | undefined>;
}
