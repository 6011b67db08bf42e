// Publishes a job's disks read-only under a path of their own, which no host of a target ever mounts, and says where
// the partitions begin. Publishing the same again is the same export.
import { createHash } from 'node:crypto';
import {
  type BrowseDisk,
  type BrowseExport,
  type BrowseInput,
  browseInputSchema,
  MIN_RESERVE_FACTOR,
} from '../../contract/index.ts';
import type { VmAtJob } from '../../vault/index.ts';
import { disksOf, parseVmx } from '../../vm-folder/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { parsed } from '../parsed.ts';
import { unlockSource } from '../source.ts';
import type { Step } from '../step.ts';
import { assertOwnSession } from '../target.ts';
import { partitionsOf } from './partitions.ts';

const ID_DIGITS = 16;

export async function openBrowse(
  deps: Pick<ActivityDeps, 'vaults' | 'siteKey' | 'gateway'>,
  raw: BrowseInput,
  step: Step,
): Promise<BrowseExport> {
  const { browseId, source, allow } = parsed(browseInputSchema, raw);
  assertOwnSession(step, browseId);
  const set = await unlockSource(deps, source, step);
  const vm = await set.openVm(source.jobId, source.vmName);
  try {
    const disks = await disksToBrowse(vm);
    const { ports } = await deps.gateway.status();
    const { vault, backupSet, vmName } = source;
    const { remoteHost, remotePath } = await deps.gateway.publish({
      sessionId: browseId,
      targetId: `browse-${createHash('sha256').update(browseId).digest('hex').slice(0, ID_DIGITS)}`,
      allow: [...allow],
      source: { vault, backupSet, jobId: vm.jobId, vmName, setKey: Buffer.from(set.key).toString('base64') },
      vmx: { displayName: vmName, network: 'disconnected' },
      reserveFactor: MIN_RESERVE_FACTOR,
      readOnly: true,
    });
    const { nfs, mount } = ports;
    return {
      jobId: vm.jobId,
      host: remoteHost,
      path: `${remotePath}/${browseId}`,
      ports: { nfs, mount },
      disks,
    };
  } finally {
    await vm.close();
  }
}

async function disksToBrowse(vm: VmAtJob): Promise<BrowseDisk[]> {
  const vmxFile = vm.files.find(({ name }) => name.toLowerCase().endsWith('.vmx'));
  if (vmxFile === undefined) throw failureFor('ChainBroken', `Job ${vm.jobId} holds no .vmx of ${vm.vmName}`);
  const disks: BrowseDisk[] = [];
  for (const { diskName, flatName } of disksOf(parseVmx(vmxFile.bytes, vmxFile.name))) {
    const image = await vm.openImage(diskName);
    const read = async (offsetBytes: number, lengthBytes: number): Promise<Buffer> => {
      const bytes = Buffer.alloc(lengthBytes);
      await image.read(offsetBytes, bytes);
      return bytes;
    };
    const { sizeBytes } = image;
    disks.push({ file: flatName, sizeBytes, partitions: await partitionsOf(read, sizeBytes) });
  }
  return disks;
}
