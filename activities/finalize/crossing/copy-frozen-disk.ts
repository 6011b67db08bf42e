// Copies one frozen disk to the VM's folder in production, beside a guest that may run on its changes. A disk that nothing
// stands on is locked by a VM that runs: where somebody powered it on meanwhile, that is said, and not waited for.
import type { CopyFrozenDiskInput, SessionReport } from '../../../contract/index.ts';
import type { Vsphere } from '../../../vsphere/index.ts';
import { copyDisk } from '../../copy-disk.ts';
import type { ActivityDeps } from '../../deps.ts';
import { failureFor } from '../../failures.ts';
import type { Step } from '../../step.ts';
import { assertOwnSession, withTarget } from '../../target.ts';
import { throttledReport } from '../../throttled-report.ts';
import { migrationProgress } from '../migration-progress.ts';
import { readVm } from './freeze-disks.ts';

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
    } catch (error) {
      if (!step.signal.aborted) await assertStillOff(vsphere, input, step);
      throw error;
    } finally {
      await reports.settled();
    }
  });
}

async function assertStillOff(vsphere: Vsphere, input: CopyFrozenDiskInput, step: Step): Promise<void> {
  if (input.disk.top !== input.disk.frozen) return;
  const { name, powerState } = await readVm(vsphere, input, step);
  if (powerState !== 'poweredOn') return;
  throw failureFor(
    'MigrationFailed',
    `Somebody powered ${name} on while its disks were to be copied, which are its own alone then. Shut it down, and ` +
      'finalize it again',
  );
}
