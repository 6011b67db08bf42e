// Writes the restored VM's small files in its folder: the .vmx as a session's is published, with plain paths but to disks
// on other datastores, and with the session's mark, by which the VM is known as this restore's until it is handed over; .nvram and the like byte
// for byte. The disks' descriptors are the target's own work.
import type { WriteVmFilesInput } from '../../contract/index.ts';
import type { SmallFile, VmAtJob } from '../../vault/index.ts';
import { disksOf, parseVmx, publishedVmx } from '../../vm-folder/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { absolute, diskPath, folderPath } from '../production-place.ts';
import { unlockSource } from '../source.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';

export async function writeVmFiles(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'vaults'>,
  input: WriteVmFilesInput,
  step: Step,
): Promise<void> {
  assertOwnSession(step, input.sessionId);
  const { source, production } = input;
  const set = await unlockSource(deps, source, step);
  const vm = await set.openVm(source.jobId, source.vmName);
  let files: SmallFile[];
  try {
    files = restoredFiles(vm, input);
  } finally {
    await vm.close();
  }
  await withTarget(deps, step, input.target, async (vsphere) => {
    for (const { name, bytes } of files) {
      await vsphere.uploadFile(`${folderPath(production)}/${name}`, bytes, { signal: step.signal });
    }
  });
}

function restoredFiles({ files, vmName }: VmAtJob, input: WriteVmFilesInput): SmallFile[] {
  const { sessionId, network, placement, production, source } = input;
  const vmxFile = files.find(({ name }) => name.toLowerCase().endsWith('.vmx'));
  if (vmxFile === undefined) {
    throw failureFor('ChainBroken', `Job ${source.jobId} holds no .vmx of ${vmName}. Restore another job`);
  }
  const vmx = parseVmx(vmxFile.bytes, vmxFile.name);
  const descriptors = new Set(disksOf(vmx).map(({ diskName }) => diskName));
  const apart = (production.apart ?? []).flatMap(({ disks }) => disks);
  const disksElsewhere = Object.fromEntries(
    apart.map((name) => [name, absolute(diskPath(production, name))]),
  );
  const text = publishedVmx(vmx, { sessionId, displayName: placement.vmName, network, disksElsewhere });
  return [
    ...files.filter((file) => file !== vmxFile && !descriptors.has(file.name)),
    { name: vmxFile.name, bytes: Buffer.from(text) },
  ];
}
