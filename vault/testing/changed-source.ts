// A VM in memory whose changes since a job are known, as a session's are; it notes what is read of it.
import type { BackupSource, ByteRange } from '../ports.ts';
import { type MemoryVm, memorySource } from './memory-source.ts';

export interface ChangedSource extends BackupSource {
  /** Bytes that were read of all disks. */
  readBytes(): number;
}

/** `changes` by the disks' names; a disk without is read whole. */
export function changedSource(
  vm: MemoryVm,
  baseJobId: string,
  changes: Readonly<Record<string, readonly ByteRange[]>>,
): ChangedSource {
  let readBytes = 0;
  const source = memorySource(vm);
  return {
    ...source,
    baseJobId,
    readBytes: () => readBytes,
    disks: source.disks.map((disk) => {
      const ranges = changes[disk.name];
      const counted: BackupSource['disks'][number] = {
        ...disk,
        read: (offsetBytes, into) => {
          readBytes += into.byteLength;
          return disk.read(offsetBytes, into);
        },
      };
      if (ranges === undefined) return counted;
      const totalBytes = ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      return { ...counted, changes: { totalBytes, ranges: () => inTurn(ranges) } };
    }),
  };
}

async function* inTurn(ranges: readonly ByteRange[]): AsyncGenerator<ByteRange> {
  for (const range of ranges) {
    await new Promise(setImmediate);
    yield range;
  }
}
