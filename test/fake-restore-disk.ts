// The steps of a disk's restore in a world in memory: a copy that runs at the target whoever waits for it, and a VM that
// has the disk, or has not.
import { Context } from '@temporalio/activity';
import {
  type Placement,
  REPORT_SIGNAL,
  type RestoreDiskActivities,
  type RestoreReport,
} from '../contract/index.ts';

interface World {
  readonly restoredDisks: Map<string, 'copied' | 'attached'>;
  copying: string | undefined;
  readonly copiesEnd: boolean;
}

interface Means {
  readonly step: <T>(name: keyof RestoreDiskActivities, act: () => T) => Promise<T>;
  readonly placement: Placement;
  readonly untilCancelled: () => Promise<never>;
}

const DISK = { name: 'web01_1.vmdk', sizeBytes: 4096 };

export function fakeRestoreDisk(
  world: World,
  { step, placement, untilCancelled }: Means,
): RestoreDiskActivities {
  return {
    restoreDiskPreflight: async ({ sessionId, toVm, datastore = 'prod' }) =>
      step('restoreDiskPreflight', () => ({
        ...{ jobId: 'job-2', placement, disk: DISK, vm: { moref: 'vm-7', name: toVm }, warnings: [] },
        file: { datastore, folder: toVm, name: `web01_1-${sessionId}.vmdk`, isNewFolder: false },
      })),
    openDiskFolder: async ({ file }) => step('openDiskFolder', () => file),
    copyDiskToVm: async ({ sessionId, disk }) => {
      const handle = Context.current().client.workflow.getHandle(sessionId);
      const tell = (report: RestoreReport): Promise<void> => handle.signal(REPORT_SIGNAL, report);
      await tell({ kind: 'copyTask', task: `copy of ${disk.name}` });
      await step('copyDiskToVm', () => {
        world.copying = world.copiesEnd ? undefined : `copy of ${disk.name}`;
        world.restoredDisks.set(sessionId, 'copied');
      });
      await tell({ kind: 'copy', disk: disk.name, copiedBytes: disk.sizeBytes / 2, bytesPerSecond: 512 });
      if (world.copying !== undefined) await untilCancelled();
    },
    attachRestoredDisk: async ({ sessionId }) =>
      step('attachRestoredDisk', () => {
        world.restoredDisks.set(sessionId, 'attached');
        return { node: 'scsi0:2' };
      }),
    removeRestoredDisk: async ({ sessionId, task }) =>
      step('removeRestoredDisk', () => {
        if (task === world.copying) world.copying = undefined;
        world.restoredDisks.delete(sessionId);
      }),
  };
}
