// The backup's part of preflight: key, job and VM are there, the chain is whole in size, and the VM asks for no
// hardware that can't come along.
import type { StartInput } from '../../contract/index.ts';
import type { VmAtJob } from '../../vault/index.ts';
import { hardwareFindings, macs, networks, parseDescriptor, parseVmx } from '../../vm-folder/index.ts';
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
  deps: Pick<ActivityDeps, 'vaults' | 'siteKey'>,
  { source }: StartInput,
  step: Step,
  found: Findings,
): Promise<BackupLook | undefined> {
  return found.look(async () => {
    const set = await unlockSource(deps, source, step);
    const vm = await set.openVm(source.jobId, source.vmName);
    try {
      return {
        jobId: vm.jobId,
        vmName: vm.vmName,
        provisionedBytes: vm.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        ...lookAtFiles(vm, found),
      };
    } finally {
      await vm.close();
    }
  });
}

function lookAtFiles(
  { files, jobId, vmName }: Pick<VmAtJob, 'files' | 'jobId' | 'vmName'>,
  found: Findings,
): Pick<BackupLook, 'macs' | 'networks'> {
  const vmxFile = files.find(({ name }) => name.toLowerCase().endsWith('.vmx'));
  if (vmxFile === undefined) {
    found.error('ChainBroken', `Job ${jobId} holds no .vmx of ${vmName}. Start from another job`);
    return { macs: [], networks: [] };
  }
  const vmx = parseVmx(vmxFile.bytes, vmxFile.name);
  const descriptors = new Map(
    files
      .filter(({ name }) => name.toLowerCase().endsWith('.vmdk'))
      .map(({ name, bytes }) => [name, parseDescriptor(bytes, name)] as const),
  );
  for (const { severity, code, message } of hardwareFindings(vmx, descriptors))
    found[severity](code, message);
  return { macs: macs(vmx), networks: networks(vmx) };
}
