// The backup's part of preflight: key, job and VM are there, the chain is whole in size, and the VM asks for no
// hardware that can't come along.
import type { StartInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { unlockSource } from '../source.ts';
import type { Step } from '../step.ts';
import type { Findings } from './findings.ts';

export interface BackupLook {
  readonly jobId: string;
  readonly vmName: string;
  readonly provisionedBytes: number;
  readonly macs: readonly string[];
  readonly networks: readonly string[];
}

export async function lookAtBackup(
  deps: Pick<ActivityDeps, 'vaults' | 'siteKey' | 'vmFolders'>,
  { source }: StartInput,
  step: Step,
  found: Findings,
): Promise<BackupLook | undefined> {
  return found.look(async () => {
    const set = await unlockSource(deps, source, step);
    const vm = await set.openVm(source.jobId, source.vmName);
    try {
      const vmx = vm.files.find(({ name }) => name.toLowerCase().endsWith('.vmx'))?.bytes;
      if (vmx === undefined) {
        found.error('ChainBroken', `Job ${vm.jobId} holds no .vmx of ${vm.vmName}. Start from another job`);
      } else {
        for (const { severity, code, message } of deps.vmFolders.hardwareFindings(vmx)) {
          found[severity](code, message);
        }
      }
      return {
        jobId: vm.jobId,
        vmName: vm.vmName,
        provisionedBytes: vm.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        macs: vmx === undefined ? [] : deps.vmFolders.macs(vmx),
        networks: vmx === undefined ? [] : deps.vmFolders.networks(vmx),
      };
    } finally {
      await vm.close();
    }
  });
}
