// The steps of a restore in a world in memory: folders of production that are a restore's own, copies that run at the
// target whoever waits for them, and a VM that is production's once its marks are off.
import { Context } from '@temporalio/activity';
import {
  type Placement,
  REPORT_SIGNAL,
  type RestoreActivities,
  type RestoreReport,
  type RunningVm,
  type VmStanding,
} from '../contract/index.ts';

interface FakeVm {
  marked: boolean;
  sessionId: string;
  powerState: 'poweredOn' | 'poweredOff' | 'suspended';
  standing: VmStanding;
}

interface World {
  /** Folders of production that a restore has made its own, by session. */
  readonly folders: Set<string>;
  /** A copy that runs at the target. */
  copying: string | undefined;
  /** Copies come to their end, or run until somebody ends them. */
  readonly copiesEnd: boolean;
  readonly vms: Map<string, FakeVm>;
}

interface Means {
  readonly step: <T>(name: keyof RestoreActivities, act: () => T) => Promise<T>;
  readonly placement: Placement;
  readonly untilCancelled: () => Promise<never>;
  readonly untilRead: (sessionId: string) => Promise<void>;
}

const DISKS = [
  { name: 'web01.vmdk', sizeBytes: 1024 },
  { name: 'web01_1.vmdk', sizeBytes: 3072 },
];

export function fakeRestore(
  world: World,
  { step, placement, untilCancelled, untilRead }: Means,
): RestoreActivities {
  return {
    restorePreflight: async ({ datastore, placement: { name }, source: { vmName } }) =>
      step('restorePreflight', () => ({
        jobId: 'job-2',
        placement: { ...placement, vmName: name ?? vmName },
        production: { datastore, folder: name ?? vmName },
        disks: DISKS,
        warnings: [],
      })),
    claimRestoreFolder: async ({ sessionId, production }) =>
      step('claimRestoreFolder', () => {
        world.folders.add(sessionId);
        return production;
      }),
    copyRestoreDisk: async ({ sessionId, disk }) => {
      const handle = Context.current().client.workflow.getHandle(sessionId);
      const tell = (report: RestoreReport): Promise<void> => handle.signal(REPORT_SIGNAL, report);
      await tell({ kind: 'copyTask', task: `copy of ${disk.name}` });
      await step('copyRestoreDisk', () => {
        world.copying = world.copiesEnd ? undefined : `copy of ${disk.name}`;
      });
      await tell({ kind: 'copy', disk: disk.name, copiedBytes: disk.sizeBytes / 2, bytesPerSecond: 512 });
      await untilRead(sessionId);
      if (world.copying !== undefined) await untilCancelled();
    },
    writeVmFiles: async () => step('writeVmFiles', () => undefined),
    registerRestoredVm: async ({ sessionId, placement: { vmName: name, host }, production }) =>
      step('registerRestoredVm', (): RunningVm => {
        const moref = `restored-${sessionId}`;
        world.vms.set(moref, { sessionId, marked: true, powerState: 'poweredOff', standing: 'moved' });
        return { moref, name, hostName: host.name, datastore: production.datastore };
      }),
    removeRestore: async ({ sessionId, task }) =>
      step('removeRestore', () => {
        if (task === world.copying) world.copying = undefined;
        world.vms.delete(`restored-${sessionId}`);
        world.folders.delete(sessionId);
      }),
    releaseRestoreFolder: async ({ sessionId }) =>
      step('releaseRestoreFolder', () => {
        world.folders.delete(sessionId);
      }),
  };
}
