// Copies one frozen disk to the VM's folder in production, beside a guest that may run on its changes.
import type { CopyFrozenDiskInput, SessionReport } from '../../../contract/index.ts';
import { copyDisk } from '../../copy-disk.ts';
import type { ActivityDeps } from '../../deps.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { throttledReport } from '../../throttled-report.ts';
import { migrationProgress } from '../migration-progress.ts';

/** A person watches: every per cent is worth a word, as far as it does not come by the second. */
const REPORT_SHARE = 0.01;

export async function copyFrozenDisk(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets'>,
  input: CopyFrozenDiskInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const { disk, beforeBytes, totalBytes } = input;
  const progress = migrationProgress(totalBytes);
  const reports = throttledReport(step, { minShare: REPORT_SHARE });
  const tell = (share: number, report: SessionReport, urgent = false): void =>
    reports.tell(share, report, urgent);
  const copy = { source: disk.frozen, base: disk.base, destination: disk.copy, sizeBytes: disk.sizeBytes };
  await withTarget(deps, step, input.target, async (vsphere) => {
    try {
      await copyDisk(vsphere, copy, step, {
        onTask: (task) => tell(0, { kind: 'copyTask', task }, true),
        onCopied: (copiedBytes) => {
          const share = totalBytes === 0 ? 1 : (beforeBytes + copiedBytes) / totalBytes;
          tell(share, { kind: 'migration', ...progress(Math.floor(100 * share)) });
        },
      });
    } finally {
      await reports.settled();
    }
  });
}
