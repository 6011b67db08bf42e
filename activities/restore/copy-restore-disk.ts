// Copies one disk of the export to production: to the restored VM's folder, or beside the files of a VM that is there.
// Nobody writes to the source, so it is the disk as it was at the job, and every block of it is authenticated on its way
// through the gateway.
import path from 'node:path';
import type {
  CopyRestoreDiskInput,
  RestoreDisk,
  RestoreReport,
  TargetStepInput,
} from '../../contract/index.ts';
import { copyDisk, type DiskCopy } from '../copy-disk.ts';
import type { ActivityDeps } from '../deps.ts';
import { migrationProgress } from '../finalize/migration-progress.ts';
import { diskPath } from '../production-place.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { throttledReport } from '../throttled-report.ts';
import { copyFailure } from './copy-failure.ts';

/** A person watches: every per cent is worth a word, as far as it does not come by the second. */
const REPORT_SHARE = 0.01;

export async function copyRestoreDisk(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: CopyRestoreDiskInput,
  step: Step,
): Promise<void> {
  const { disk, production } = input;
  const destination = diskPath(production, disk.name);
  await copyFromExport(deps, input, { disk, destination }, step);
}

export interface ExportCopy extends Pick<DiskCopy, 'destination' | 'adapterType'> {
  readonly disk: RestoreDisk;
}

/** Tells the Workflow the target's task and how far it is. */
export async function copyFromExport(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  { sessionId, target, placement, exported }: TargetStepInput,
  { disk, ...to }: ExportCopy,
  step: Step,
): Promise<void> {
  assertOwnSession(step, sessionId);
  const source = `[${placement.datastore}] ${path.posix.dirname(exported.vmxPath)}/${disk.name}`;
  const progress = migrationProgress(disk.sizeBytes);
  const reports = throttledReport(step, { minShare: REPORT_SHARE });
  const tell = (share: number, report: RestoreReport, urgent: boolean): void =>
    reports.tell(share, report, urgent);
  await withTarget(deps, step, target, async (vsphere) => {
    const copy = { source, base: source, sizeBytes: disk.sizeBytes, ...to };
    try {
      await copyDisk(vsphere, copy, step, {
        onTask: (task) => tell(0, { kind: 'copyTask', task }, true),
        onCopied: (copiedBytes) => {
          const share = disk.sizeBytes === 0 ? 1 : copiedBytes / disk.sizeBytes;
          const { bytesPerSecond } = progress(100 * share);
          tell(share, { kind: 'copy', disk: disk.name, copiedBytes, bytesPerSecond }, false);
        },
      });
    } catch (error) {
      throw await copyFailure(deps.gateway, sessionId, error);
    } finally {
      await reports.settled();
    }
  });
}
