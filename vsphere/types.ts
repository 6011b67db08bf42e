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
  /** `[datastore] folder/name.vmx` */
  readonly vmPathName: string;
  readonly macs: readonly string[];
  readonly extraConfig: Readonly<Record<string, string>>;
}

export interface VirtualDisk {
  readonly key: number;
  /** `[datastore] folder/name.vmdk`; empty for a disk that is not a file. */
  readonly fileName: string;
  readonly capacityBytes: number;
  /** Descriptors below `fileName`, the nearest first: what a snapshot's disk stands on. */
  readonly parents: readonly string[];
}

export interface Nic {
  readonly key: number;
  readonly label: string;
  readonly macAddress: string;
  readonly connected: boolean;
  readonly startConnected: boolean;
  /** Name of the network; undefined where the backing has none to show. */
  readonly network: string | undefined;
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
  readonly nics?: readonly {
    readonly key: number;
    readonly connected?: boolean;
    readonly startConnected?: boolean;
  }[];
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
  /** Every VM that the account can see, page by page; templates are left out. */
  listVms(options?: CallOptions): AsyncIterable<VmSummary>;
  licence(options?: CallOptions): Promise<LicenceFinding>;

  /** Mounts an NFSv3 datastore on a host and returns its moref; one that already stands for the same is reused. */
  createNasDatastore(host: string, spec: NasDatastoreSpec, options?: CallOptions): Promise<string>;
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
  answerVm(vm: string, questionId: string, choiceKey: string, options?: CallOptions): Promise<void>;
  /** Re-attaches to a power-on that runs; powered on already is done. */
  powerOnVm(vm: string, options: PowerOnOptions): Promise<void>;
  /** Powered off already is done. */
  powerOffVm(vm: string, options?: TaskOptions): Promise<void>;
  /** Asks the guest; returns when it was asked, not when it is down. `InvalidState` without running Tools. */
  shutdownGuest(vm: string, options?: CallOptions): Promise<void>;
  resetVm(vm: string, options?: TaskOptions): Promise<void>;
  suspendVm(vm: string, options?: TaskOptions): Promise<void>;
  /** PNG of a powered-on VM's console. */
  screenshot(vm: string, options?: CallOptions): Promise<Uint8Array>;
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
