// How far the copying of a restore's disks is, from what the copies tell: bytes, rate and time left of all disks.
import type { RestoreDisk, RestoreReport, RestoreStatus } from '../../contract/index.ts';
import { paced } from '../pace.ts';
import type { SessionRecord } from '../session-record.ts';

export interface CopyProgress {
  heard(report: RestoreReport): void;
  /** What is to be copied in all. */
  open(disks: readonly RestoreDisk[]): void;
  begin(disk: RestoreDisk): void;
  done(disk: RestoreDisk): void;
  /** All are. */
  close(): void;
  /** The target's task of the disk that is being copied, as far as it was heard of. */
  task(): string | undefined;
}

/** @param step is what copies. */
export function copyProgress(record: SessionRecord, step: string): CopyProgress {
  let totalBytes = 0;
  let doneBytes = 0;
  let beganAtMs = 0;
  let current: string | undefined;
  let task: string | undefined;
  const update = (changes: Partial<RestoreStatus>): void => {
    const { restore } = record.status();
    if (restore !== undefined) record.update({ restore: { ...restore, ...changes } });
  };
  const tell = (copiedBytes: number, bytesPerSecond: number | undefined): void => {
    update({ copiedBytes, ...paced(bytesPerSecond, totalBytes - copiedBytes, record.status().throttle) });
    record.step(step, totalBytes === 0 ? 1 : copiedBytes / totalBytes);
  };
  return {
    heard: (report) => {
      if (report.kind === 'copyTask') task = report.task;
      // One that comes late must not undo what is known by now.
      else if (report.disk === current) tell(doneBytes + report.copiedBytes, report.bytesPerSecond);
    },
    open: (disks) => {
      totalBytes = disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      beganAtMs = Date.now();
      update({ totalBytes });
    },
    begin: ({ name }) => {
      current = name;
      task = undefined;
      update({ disk: name });
      tell(doneBytes, undefined);
    },
    done: ({ sizeBytes }) => {
      current = undefined;
      task = undefined;
      doneBytes += sizeBytes;
      update({ disk: undefined, copiedBytes: doneBytes });
    },
    close: () => {
      const copyMs = Date.now() - beganAtMs;
      const bytesPerSecond = copyMs > 0 ? Math.round((1000 * totalBytes) / copyMs) : undefined;
      update({ disk: undefined, copiedBytes: totalBytes, leftMs: undefined, bytesPerSecond, copyMs });
    },
    task: () => task,
  };
}
