// A host in memory with the manners of a real one that matter here: it refuses to unmount under a VM, registers
// only what it can read, and may carry out a call whose caller is long dead.
import { setTimeout as delay } from 'node:timers/promises';
import type { TargetLogin, Targets } from '../activities/index.ts';
import { SESSION_KEY } from '../vm-folder/index.ts';
import {
  type Datastore,
  type Folder,
  type Host,
  type Inventory,
  type NasDatastoreSpec,
  type ReconfigureSpec,
  type RegisterVmSpec,
  type RelocateCheck,
  type RelocateOptions,
  type RelocateSpec,
  type ResourcePool,
  type Vm,
  type VmState,
  type VmSummary,
  type Vsphere,
  VsphereError,
} from '../vsphere/index.ts';

const POLL_MS = 20;

export const fakeHost: Host = {
  moref: 'host-1',
  name: 'esx01',
  connectionState: 'connected',
  inMaintenanceMode: false,
  version: '8.0.3',
  capability: { vmotionSupported: true, storageVMotionSupported: true },
  computeResource: { moref: 'cr-1', name: 'esx01', isCluster: false, resourcePool: 'pool-1' },
  datacenter: { moref: 'dc-1', name: 'dc', vmFolder: 'folder-1' },
  datastores: [],
  vmknicAddresses: ['127.0.0.1'],
  networks: [{ moref: 'net-1', name: 'VM Network' }],
};

/** A datastore of production, on local disk. */
export function fakeDatastore(name: string, changes: Partial<Datastore> = {}): Datastore {
  return {
    moref: `ds-${name}`,
    name,
    type: 'VMFS',
    url: '',
    capacityBytes: 2 ** 40,
    freeBytes: 2 ** 40,
    accessible: true,
    inMaintenanceMode: false,
    nas: undefined,
    hosts: ['host-1'],
    ...changes,
  };
}

export class FakeTarget {
  production: Datastore[] = [fakeDatastore('prod')];
  /** A host alone unless said otherwise. */
  isVirtualCenter = false;
  /** What the target itself says against a migration. */
  relocateCheck: RelocateCheck = { errors: [], warnings: [] };
  /** A migration that runs at the target: it ends when somebody says how, or asks to cancel it. */
  migration: FakeMigration | undefined;
  hosts: Host[] = [fakeHost];
  folders: Folder[] = [];
  resourcePools: ResourcePool[] = [];
  readonly mounts = new Map<string, NasDatastoreSpec>();
  /** Morefs of further hosts that have the same. */
  alsoMountedOn: string[] = [];
  /** Port groups without uplink, with their vSwitches. */
  readonly isolated = new Map<string, string>();
  /** NICs of the next registered VM. */
  nicsOfNext: Vm['nics'] = [];
  readonly vms = new Map<string, Vm>();
  /** Morefs of those that are templates. */
  readonly templates = new Set<string>();
  /** Files that lie about: by their folder, `[datastore] name`. */
  readonly files = new Map<string, string[]>();
  /** What folders of a vSAN are called by the VMs in them. */
  readonly lastingPaths = new Map<string, string>();
  /** Disks that the next registered VM turns out to have; one in its own directory when empty. */
  disksOfNext: string[] = [];
  /** What its questions were answered. */
  readonly answers: string[] = [];
  allowsWrites = true;
  picture: Uint8Array = Buffer.from('89504e470d0a1a0a', 'hex');
  password = 'secret';
  isDown = false;
  /** Called when the named call arrives at the host, before it acts. */
  readonly arriving = new Map<keyof Vsphere, () => void>();
  #lost: (() => void)[] = [];
  #nextMoref = 1;
  #loseNext = false;

  /** The next RemoveDatastore reaches the host, and its caller dies; the host acts by `deliverLost`. */
  loseNextRemoval(): void {
    this.#loseNext = true;
  }

  deliverLost(): void {
    for (const act of this.#lost.splice(0)) act();
  }

  readonly targets: Targets = {
    use: async (login, _signal, work) => work(this.#login(login)),
    readFingerprint: async () => 'A'.repeat(64),
  };

  #login({ password }: TargetLogin): Vsphere {
    if (this.isDown) throw new VsphereError('TargetUnavailable', 'esx:443 does not answer');
    if (password !== this.password) throw new VsphereError('InvalidLogin', 'wrong user name or password');
    return { ...this.vsphere, isVirtualCenter: this.isVirtualCenter };
  }

  #arrive(call: keyof Vsphere): void {
    const hook = this.arriving.get(call);
    this.arriving.delete(call);
    hook?.();
  }

  renameDatastore(from: string, to: string): void {
    const spec = this.mounts.get(from);
    if (spec === undefined) throw new Error(`nothing is mounted as ${from}`);
    this.mounts.delete(from);
    this.mounts.set(to, { ...spec, name: to });
  }

  #remove(name: string): void {
    const onIt = [...this.vms.values()].find(
      ({ vmPathName, host }) => vmPathName.startsWith(`[${name}] `) && host === fakeHost.moref,
    );
    if (onIt !== undefined) throw new VsphereError('ResourceInUse', `${onIt.name} lies on ${name}`);
    this.mounts.delete(name);
  }

  add(vm: Partial<Vm> & Pick<Vm, 'name'>): Vm {
    const moref = vm.moref ?? `vm-${this.#nextMoref++}`;
    const whole: Vm = { ...emptyVm, vmPathName: `[local] ${vm.name}/${vm.name}.vmx`, ...vm, moref };
    this.vms.set(moref, whole);
    return whole;
  }

  change(moref: string, change: Partial<Vm>): void {
    const vm = this.vms.get(moref);
    if (vm !== undefined) this.vms.set(moref, { ...vm, ...change });
  }

  #register({ path, name }: RegisterVmSpec): string {
    this.#arrive('registerVm');
    const [datastore = '', sessionId = ''] = path.replace(/^\[/, '').split(/\] |\//);
    if (!this.mounts.has(datastore)) throw new VsphereError('NotFound', `no datastore ${datastore}`);
    const known = [...this.vms.values()].find(({ vmPathName }) => vmPathName === path);
    if (known !== undefined) return known.moref;
    const files = this.disksOfNext.length > 0 ? this.disksOfNext : [path.replace(/\.vmx$/, '.vmdk')];
    const disks = files.map((fileName, key) => ({ key, fileName, capacityBytes: 1024, parents: [] }));
    return this.add({
      name,
      vmPathName: path,
      disks,
      nics: this.nicsOfNext,
      extraConfig: { [SESSION_KEY]: sessionId },
    }).moref;
  }

  readonly #calls: Partial<Vsphere> = {
    about: {
      apiType: 'HostAgent',
      apiVersion: '8.0.3.0',
      version: '8.0.3',
      build: '1',
      name: 'fake',
      fullName: 'fake',
      instanceUuid: undefined,
    },
    inventory: async () => this.#inventory(),
    licence: async () => ({ allowsWrites: this.allowsWrites, edition: 'fake' }),
    listVms: (options) => this.#list(options?.templates),
    createNasDatastore: async (_host, spec) => {
      this.#arrive('createNasDatastore');
      const there = this.mounts.get(spec.name);
      if (there !== undefined && there.remotePath !== spec.remotePath) {
        throw new VsphereError('DatastoreConflict', `${spec.name} is ${there.remotePath}`);
      }
      this.mounts.set(spec.name, spec);
      return `ds-${spec.name}`;
    },
    removeDatastore: async (_host, nameOrMoref) => {
      const name = nameOrMoref.replace(/^ds-/, '');
      this.#arrive('removeDatastore');
      if (this.#loseNext) {
        this.#loseNext = false;
        this.#lost.push(() => {
          try {
            this.#remove(name);
          } catch {
            // Nobody hears the refusal.
          }
        });
        throw new VsphereError('TargetUnavailable', 'the connection broke');
      }
      this.#remove(name);
    },
    registerVm: async (spec) => this.#register(spec),
    unregisterVm: async (moref) => {
      if (this.vms.get(moref)?.powerState === 'poweredOn') {
        throw new VsphereError('InvalidPowerState', `${moref} is powered on`);
      }
      this.vms.delete(moref);
    },
    addIsolatedPortGroup: async (_host, { vswitch, portGroup }) => {
      this.#arrive('addIsolatedPortGroup');
      this.isolated.set(portGroup, vswitch);
      return `net-${portGroup}`;
    },
    removeIsolatedPortGroup: async (_host, { portGroup }) => {
      this.isolated.delete(portGroup);
    },
    screenshot: async () => this.picture,
    readVm: async (moref) => this.vms.get(moref),
    findVmsByExtraConfig: async (key, value) =>
      [...this.vms.values()].filter(({ extraConfig }) => extraConfig[key] === value).map(summary),
    findVmByPath: async (path) => [...this.vms.values()].map(summary).find((vm) => vm.vmPathName === path),
    powerOnVm: async (moref) =>
      this.change(moref, { powerState: 'poweredOn', guestHeartbeatStatus: 'green' }),
    answerVm: async (moref, questionId, choiceKey) => {
      if (this.vms.get(moref)?.question?.id !== questionId) {
        throw new VsphereError('InvalidState', `${moref} does not ask ${questionId}`);
      }
      this.answers.push(`${moref} ${questionId}: ${choiceKey}`);
      this.change(moref, { question: undefined });
    },
    powerOffVm: async (moref) => this.change(moref, { powerState: 'poweredOff' }),
    shutdownGuest: async (moref) => this.change(moref, { powerState: 'poweredOff' }),
    renameVm: async (moref, name) => this.#rename(moref, name),
    destroyVm: async (moref) => {
      this.vms.delete(moref);
    },
    listFolder: async (folder) => {
      this.#arrive('listFolder');
      return this.files.get(folder)?.map((name) => ({
        ...{ path: `${folder}/${name}`, isFolder: false, sizeBytes: 1, modified: undefined },
      }));
    },
    lastingPath: async (folder) => this.lastingPaths.get(folder) ?? folder,
    // Of a .vmx that says nothing.
    downloadFile: async () => Buffer.from('displayName = "web01"\n'),
    deleteDatastoreFile: async (path) => {
      this.files.delete(path);
    },
    reconfigureVm: async (moref, spec) => this.#reconfigure(moref, spec),
    checkRelocate: async () => this.relocateCheck,
    relocateVm: async (moref, spec, options) => this.#relocate(moref, spec, options),
    waitForVm: (moref, predicate, options) => this.#waitFor(moref, predicate, options),
  };
  readonly vsphere = this.#calls as Vsphere;

  #rename(moref: string, name: string): void {
    this.#arrive('renameVm');
    const folder = this.vms.get(moref)?.folder;
    const other = [...this.vms.values()].find((vm) => vm.name === name && vm.folder === folder);
    if (other !== undefined && other.moref !== moref) throw new VsphereError('NameTaken', `${name} is taken`);
    this.change(moref, { name });
  }

  #reconfigure(moref: string, { extraConfig = {}, annotation }: ReconfigureSpec): void {
    this.#arrive('reconfigureVm');
    const vm = this.vms.get(moref);
    if (vm === undefined) throw new VsphereError('NotFound', `no VM ${moref}`);
    const merged = Object.entries({ ...vm.extraConfig, ...extraConfig });
    this.change(moref, {
      extraConfig: Object.fromEntries(merged.filter(([, value]) => value !== '')),
      ...(annotation === undefined ? {} : { annotation }),
    });
  }

  /** As a real one: attaches to what runs, finds done what is done, begins nothing for who has given up already. */
  async #relocate(moref: string, spec: RelocateSpec, options: RelocateOptions = {}): Promise<void> {
    this.#arrive('relocateVm');
    const { signal, detach, onProgress } = options;
    if (this.migration === undefined) {
      const nameOf = (datastore: string): string =>
        this.production.find(({ moref: each }) => each === datastore)?.name ?? '';
      const name = nameOf(spec.datastore);
      const apart = new Map(spec.disks?.map(({ key, datastore }) => [key, nameOf(datastore)]));
      if (this.vms.get(moref)?.vmPathName.startsWith(`[${name}] `) === true) return;
      if (signal?.aborted === true) throw new VsphereError('Cancelled', 'cancelled before it began');
      this.migration = fakeMigration(() => this.#arriveAt(moref, name, apart));
    }
    const { migration } = this;
    onProgress?.(50);
    if (signal?.aborted === true) migration.end('cancelled');
    const left = new Promise<never>((_, reject) => {
      detach?.addEventListener('abort', () => reject(new VsphereError('Cancelled', 'nobody waits any more')));
    });
    try {
      await Promise.race([migration.ended, left]);
    } finally {
      if (migration.isOver()) this.migration = undefined;
    }
  }

  #arriveAt(moref: string, datastore: string, apart: ReadonlyMap<number, string>): void {
    const vm = this.vms.get(moref);
    if (vm === undefined) return;
    const moved = (file: string, to = datastore): string =>
      file.replace(/^\[[^\]]+\] [^/]+\//, `[${to}] ${vm.name}/`);
    this.change(moref, {
      vmPathName: moved(vm.vmPathName),
      disks: vm.disks.map((disk) => ({
        ...disk,
        fileName: moved(disk.fileName, apart.get(disk.key)),
        parents: [],
      })),
    });
  }

  async #waitFor(
    ...[moref, predicate, options]: Parameters<Vsphere['waitForVm']>
  ): Promise<VmState | undefined> {
    for (const deadline = Date.now() + options.timeoutMs; Date.now() < deadline; ) {
      const vm = this.vms.get(moref);
      if (vm === undefined) throw new VsphereError('NotFound', `no VM ${moref}`);
      if (predicate(vm)) return vm;
      await delay(POLL_MS, undefined, { signal: options.signal });
    }
    return undefined;
  }

  #inventory(): Inventory {
    const datastores = [...this.mounts.values()].map(
      ({ name, remoteHost, remotePath }): Datastore => ({
        moref: `ds-${name}`,
        name,
        type: 'NFS',
        url: '',
        capacityBytes: 1,
        freeBytes: 1,
        accessible: true,
        inMaintenanceMode: false,
        nas: { remoteHost, remotePath },
        hosts: ['host-1', ...this.alsoMountedOn],
      }),
    );
    return {
      hosts: this.hosts,
      datastores: [...datastores, ...this.production],
      folders: this.folders,
      resourcePools: this.resourcePools,
    };
  }

  async *#list(templates = false): AsyncGenerator<VmSummary> {
    for (const vm of this.vms.values()) if (templates || !this.templates.has(vm.moref)) yield summary(vm);
  }
}

export interface FakeMigration {
  readonly ended: Promise<unknown>;
  isOver(): boolean;
  end(how: 'done' | 'cancelled' | VsphereError): void;
}

function fakeMigration(arrive: () => void): FakeMigration {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  promise.catch(() => undefined);
  let over = false;
  return {
    ended: promise,
    isOver: () => over,
    end: (how) => {
      if (over) return;
      over = true;
      if (how === 'done') {
        arrive();
        resolve(undefined);
      } else {
        reject(how === 'cancelled' ? new VsphereError('Cancelled', 'the task was cancelled') : how);
      }
    },
  };
}

const emptyVm: Omit<Vm, 'moref' | 'name' | 'vmPathName'> = {
  powerState: 'poweredOff',
  connectionState: 'connected',
  host: 'host-1',
  guestHeartbeatStatus: 'gray',
  toolsRunningStatus: '',
  guestIpAddresses: [],
  question: undefined,
  instanceUuid: '',
  uuid: '',
  datastores: [],
  disks: [],
  nics: [],
  macs: [],
  extraConfig: {},
  annotation: '',
  snapshots: [],
  consolidationNeeded: false,
};

function summary(vm: Vm): VmSummary {
  const { moref, name, powerState, host, folder, vmPathName, uuid, instanceUuid, macs, extraConfig } = vm;
  const diskFiles = vm.disks.flatMap(({ fileName, parents }) => [fileName, ...parents]);
  return {
    ...{ moref, name, powerState, host, folder, vmPathName, uuid, instanceUuid, macs, extraConfig },
    ...{ diskFiles, workingFolder: '' },
  };
}
