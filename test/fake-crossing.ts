// A crossing in a world in memory: the VM's two places, what stands between them, and a watch over what must never be:
// that it runs in both. Steps act as the real ones do, and fail as the world is told.
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import {
  type CrossingActivities,
  type CrossingDisk,
  type CrossingPlan,
  REPORT_SIGNAL,
  type RunningVm,
  type SiteActivities,
  type VmStanding,
} from '../contract/index.ts';

type StepName = keyof SiteActivities;

interface FakeVm {
  marked: boolean;
  sessionId: string;
  powerState: 'poweredOn' | 'poweredOff' | 'suspended';
  standing: VmStanding;
}

/** What of a world a crossing acts on. */
interface CrossingWorld {
  readonly vms: Map<string, FakeVm>;
  step<T>(name: StepName, act: () => T): Promise<T>;
  change(moref: string, change: Partial<FakeVm>): void;
  readonly limits: ReadonlyMap<string, number>;
  untilRead(sessionId: string): Promise<void>;
}

const DISK: CrossingDisk = {
  top: '[rundirect-main] s/web01-000001.vmdk',
  frozen: '[rundirect-main] s/web01.vmdk',
  base: '[rundirect-main] s/web01.vmdk',
  copy: '[prod] web01/web01.vmdk',
  sizeBytes: 512,
  cid: '0badcafe',
  parent: { cid: 'fffffffe', hint: 'web01.vmdk' },
};
/** Two disks: a step runs once for each. */
const DISKS = [DISK, { ...DISK, top: '[rundirect-main] s/web01_1-000001.vmdk' }];

/** As a vSAN calls the folder that is claimed there. */
const LASTING_FOLDER = '5f0c-01';

export class FakeCrossing {
  readonly folders = new Set<string>();
  readonly snapshots = new Set<string>();
  readonly copying = new Set<string>();
  readonly fences = new Set<string>();
  readonly sealed = new Set<string>();
  /** The guest can't be suspended. */
  refusesSuspend = false;
  /** What was seen that must never be. */
  readonly violations: string[] = [];
  readonly #world: CrossingWorld;
  #registrations = 0;

  constructor(world: CrossingWorld) {
    this.#world = world;
  }

  /** What is left of any crossing. */
  get leftovers(): string[] {
    return [
      ...[...this.folders].map((id) => `claimed folder of ${id}`),
      ...[...this.snapshots].map((id) => `snapshot of ${id}`),
      ...[...this.copying].map((task) => `copy ${task}`),
    ];
  }

  #own(sessionId: string, moref: string): FakeVm {
    const vm = this.#world.vms.get(moref);
    if (vm?.sessionId === sessionId) return vm;
    throw ApplicationFailure.nonRetryable(`${moref} is gone`, 'NotFound');
  }

  #inProduction(sessionId: string): [string, FakeVm] | undefined {
    return [...this.#world.vms].find(([, vm]) => vm.sessionId === sessionId && vm.standing !== 'ours');
  }

  #powerOn(sessionId: string, moref: string): void {
    const others = [...this.#world.vms].filter(([id, vm]) => vm.sessionId === sessionId && id !== moref);
    if (others.some(([, vm]) => vm.powerState === 'poweredOn'))
      this.violations.push(`${sessionId} runs twice`);
    const { standing } = this.#own(sessionId, moref);
    if (standing === 'ours' && this.#world.limits.has(sessionId))
      this.violations.push(`${sessionId} runs from disks that are held back`);
    if (standing === 'ours' && this.fences.has(sessionId))
      this.violations.push(`${sessionId} runs behind its fence`);
    if (standing === 'partlyMoved' && !this.fences.has(sessionId))
      this.violations.push(`${sessionId} runs without a fence`);
    this.#world.change(moref, { powerState: 'poweredOn' });
  }

  #register(sessionId: string, standing: FakeVm['standing'], powerState: FakeVm['powerState']): RunningVm {
    const moref = `vm-${sessionId}-${++this.#registrations}`;
    this.#world.vms.set(moref, { sessionId, marked: true, standing, powerState });
    const datastore = standing === 'ours' ? 'rundirect-main' : 'prod';
    return { moref, name: 'web01', hostName: 'esx01', datastore };
  }

  #expectLasting({ folder }: CrossingPlan): void {
    if (folder.folder !== LASTING_FOLDER)
      this.violations.push(`a step takes ${folder.folder} for the folder`);
  }

  /** As a suspended VM, or one that is off, is shown where it is registered anew. */
  #rest = new Map<string, FakeVm['powerState']>();

  readonly activities: CrossingActivities = {
    claimProductionFolder: async ({ sessionId, crossing }) =>
      this.#world.step('claimProductionFolder', () => {
        this.folders.add(sessionId);
        return { ...crossing.folder, folder: LASTING_FOLDER };
      }),
    freezeDisks: async ({ sessionId, crossing }) =>
      this.#world.step('freezeDisks', () => {
        this.#expectLasting(crossing);
        if (!crossing.whileRunning)
          return DISKS.map((disk) => ({ ...disk, top: disk.frozen, parent: undefined }));
        if (crossing.isFrozen !== true) this.snapshots.add(sessionId);
        return DISKS;
      }),
    copyFrozenDisk: async ({ sessionId, disk, beforeBytes, totalBytes }) => {
      const task = `task-${sessionId}-${beforeBytes}`;
      const handle = Context.current().client.workflow.getHandle(sessionId);
      await handle.signal(REPORT_SIGNAL, { kind: 'copyTask', task });
      this.copying.add(task);
      const percent = Math.floor((100 * (beforeBytes + disk.sizeBytes)) / totalBytes);
      const report = { kind: 'migration', percent, bytesPerSecond: 100, leftMs: 5_000 };
      await handle.signal(REPORT_SIGNAL, report);
      await this.#world.untilRead(sessionId);
      await this.#world.step('copyFrozenDisk', () => {
        this.copying.delete(task);
      });
    },
    takeGuestAway: async ({ sessionId, moref, how }) =>
      this.#world.step('takeGuestAway', () => {
        this.#own(sessionId, moref);
        if (how === 'suspend' && this.refusesSuspend) {
          throw ApplicationFailure.nonRetryable('a device forbids it', 'NotSupported');
        }
        const powerState = how === 'suspend' ? 'suspended' : 'poweredOff';
        this.#rest.set(sessionId, powerState);
        this.#world.change(moref, { powerState });
      }),
    stageVm: async ({ sessionId, moref, crossing }) =>
      this.#world.step('stageVm', () => {
        this.#expectLasting(crossing);
        if (this.#own(sessionId, moref).powerState === 'poweredOn') {
          throw ApplicationFailure.nonRetryable('somebody powered it on', 'MigrationFailed');
        }
        return { keep: ['web01-000001.vmdk'] };
      }),
    fenceOldVm: async ({ sessionId, moref }) =>
      this.#world.step('fenceOldVm', () => {
        this.fences.add(sessionId);
        this.#world.vms.delete(moref);
      }),
    joinInProduction: async ({ sessionId, crossing }) =>
      this.#world.step('joinInProduction', () => {
        this.#expectLasting(crossing);
        const there = this.#inProduction(sessionId);
        if (there === undefined) {
          return this.#register(sessionId, 'partlyMoved', this.#rest.get(sessionId) ?? 'poweredOff');
        }
        return { moref: there[0], name: 'web01', hostName: 'esx01', datastore: 'prod' };
      }),
    sightInProduction: async ({ sessionId }) =>
      this.#world.step('sightInProduction', () => {
        const there = this.#inProduction(sessionId);
        if (there === undefined) return { vm: undefined, powerState: undefined };
        const vm = { moref: there[0], name: 'web01', hostName: 'esx01', datastore: 'prod' };
        return { vm, powerState: there[1].powerState };
      }),
    runInProduction: async ({ sessionId, there, powerOn }) =>
      this.#world.step('runInProduction', () => {
        if (powerOn) this.#powerOn(sessionId, there);
        this.sealed.add(sessionId);
        return { runsAtMs: Date.now() };
      }),
    settleInProduction: async ({ sessionId, there }) =>
      this.#world.step('settleInProduction', () => {
        this.#own(sessionId, there);
        this.snapshots.delete(sessionId);
        this.#world.change(there, { standing: 'moved' });
      }),
    releaseProductionFolder: async ({ sessionId, crossing }) =>
      this.#world.step('releaseProductionFolder', () => {
        this.#expectLasting(crossing);
        this.folders.delete(sessionId);
      }),
    withdrawFromProduction: async ({ sessionId, crossing }) =>
      this.#world.step('withdrawFromProduction', () => {
        this.#expectLasting(crossing);
        const there = this.#inProduction(sessionId);
        if (there === undefined) return;
        if (there[1].powerState === 'poweredOn' || this.sealed.has(sessionId)) {
          throw ApplicationFailure.nonRetryable('it has run in production', 'VmMoved');
        }
        this.#world.vms.delete(there[0]);
      }),
    returnOldVm: async ({ sessionId }) =>
      this.#world.step('returnOldVm', () => {
        if (this.sealed.has(sessionId)) throw ApplicationFailure.nonRetryable('sealed', 'VmMoved');
        if (this.#inProduction(sessionId) !== undefined)
          this.violations.push(`${sessionId} is in two places`);
        this.fences.delete(sessionId);
        const old = [...this.#world.vms].find(([, vm]) => vm.sessionId === sessionId);
        if (old === undefined)
          return this.#register(sessionId, 'ours', this.#rest.get(sessionId) ?? 'poweredOff');
        return { moref: old[0], name: 'web01', hostName: 'esx01', datastore: 'rundirect-main' };
      }),
    bringGuestBack: async ({ sessionId, moref }) =>
      this.#world.step('bringGuestBack', () => this.#powerOn(sessionId, moref)),
    thawDisks: async ({ sessionId }) =>
      this.#world.step('thawDisks', () => {
        this.snapshots.delete(sessionId);
      }),
    removeProductionFolder: async ({ sessionId, tasks }) =>
      this.#world.step('removeProductionFolder', () => {
        for (const task of tasks) this.copying.delete(task);
        this.folders.delete(sessionId);
      }),
  };
}
