// A VM that a test makes up: disks in memory, changed between backups.
import type { BackupSource, SmallFile } from '../ports.ts';

export interface MemoryVm {
  readonly vmName: string;
  /** Contents by disk name. */
  readonly disks: Readonly<Record<string, Uint8Array>>;
  readonly files?: readonly SmallFile[];
  readonly assertUnchanged?: () => Promise<void>;
}

export function memorySource(vm: MemoryVm): BackupSource {
  return {
    vmName: vm.vmName,
    files: vm.files ?? [],
    disks: Object.entries(vm.disks).map(([name, bytes]) => ({
      name,
      sizeBytes: bytes.byteLength,
      read: async (offsetBytes, into) => into.set(bytes.subarray(offsetBytes, offsetBytes + into.byteLength)),
    })),
    assertUnchanged: vm.assertUnchanged ?? (async () => undefined),
  };
}
