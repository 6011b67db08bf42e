// A VM as it was at one job: its small files, and its disks' images. Before it is handed out every file of
// every chain is known to be there with the size that it was written with; what is inside is checked when read.
import { type DiskContext, missingFile, wrongSize } from './block-file.ts';
import { DiskChain } from './disk-chain.ts';
import { ChainImage } from './image.ts';
import type { ManifestDisk } from './job-manifest.ts';
import { summaryOf } from './job-manifest.ts';
import { blockFileSizes, type Job, loadJob, newestJob, type SetContext } from './job-store.ts';
import type { ImageCache } from './loading-cache.ts';
import { blockFileName } from './object-names.ts';
import type { Image, KeptFrom, SmallFile, VmAtJob } from './ports.ts';
import { VaultError } from './vault-error.ts';

const LATEST = 'latest';

/** Throws VaultError: BackupNotFound, ChainBroken, BlockCorrupt, DestinationUnavailable. */
export async function openVmAtJob(
  set: SetContext,
  cache: ImageCache,
  jobId: string,
  vmName: string,
): Promise<VmAtJob> {
  const job = await findJob(set, jobId, vmName);
  const vm = job.content.vms.find((candidate) => candidate.name === vmName);
  if (vm === undefined) throw noSuchVm(set, job, vmName);
  await assertChainsWhole(set, vmName, vm.disks);
  const files = job.vmFiles.find((candidate) => candidate.vmName === vmName)?.files ?? [];
  return new OpenVm(set, cache, job, vmName, vm.disks, files);
}

/** Throws ChainBroken, naming the file, unless every file of the disks' chains has its size. */
export async function assertChainsWhole(
  set: SetContext,
  vmName: string,
  disks: readonly ManifestDisk[],
): Promise<void> {
  const sizes = await blockFileSizes(set);
  for (const disk of disks) {
    const context = diskContext(set, vmName, disk.name);
    for (const file of disk.chain) {
      const name = blockFileName(set.setName, file.fileId);
      const found = sizes.get(name);
      if (found === undefined) throw await missingFile(context, name);
      if (found !== file.sizeBytes) throw wrongSize(context, name, file.sizeBytes, found);
    }
  }
}

export function diskContext(set: SetContext, vmName: string, diskName: string): DiskContext {
  const { destination, setName, setKey } = set;
  return { destination, setName, setKey, vmName, diskName };
}

class OpenVm implements VmAtJob {
  readonly jobId: string;
  readonly kind: 'full' | 'delta';
  readonly keptFrom: KeptFrom | undefined;
  readonly vmName: string;
  readonly files: readonly SmallFile[];
  readonly disks: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly #set: SetContext;
  readonly #cache: ImageCache;
  readonly #manifestDisks: readonly ManifestDisk[];
  readonly #images = new Set<Image>();

  constructor(
    set: SetContext,
    cache: ImageCache,
    job: Job,
    vmName: string,
    disks: readonly ManifestDisk[],
    files: readonly SmallFile[],
  ) {
    this.#set = set;
    this.#cache = cache;
    this.#manifestDisks = disks;
    this.jobId = job.content.jobId;
    this.kind = summaryOf(job).kind;
    this.keptFrom = job.content.keptFrom;
    this.vmName = vmName;
    this.files = files;
    this.disks = disks.map(({ name, sizeBytes }) => ({ name, sizeBytes }));
  }

  async openImage(diskName: string): Promise<Image> {
    const disk = this.#manifestDisks.find((candidate) => candidate.name === diskName);
    if (disk === undefined) {
      const known = this.disks.map(({ name }) => name).join(', ');
      throw new VaultError(
        'BackupNotFound',
        `${this.vmName} has no disk ${diskName} in job ${this.jobId}; it has: ${known}.`,
      );
    }
    const context = diskContext(this.#set, this.vmName, diskName);
    const image = new ChainImage(await DiskChain.open(context, disk.chain, this.#cache));
    this.#images.add(image);
    return image;
  }

  async close(): Promise<void> {
    for (const image of this.#images) await image.close();
    this.#images.clear();
  }
}

async function findJob(set: SetContext, jobId: string, vmName: string): Promise<Job> {
  if (jobId !== LATEST) return loadJob(set, jobId);
  const job = await newestJob(set, ({ content }) => content.vms.some((vm) => vm.name === vmName));
  if (job !== undefined) return job;
  throw new VaultError('BackupNotFound', `Backup set '${set.setName}' has no job with a VM '${vmName}'.`);
}

function noSuchVm(set: SetContext, job: Job, vmName: string): VaultError {
  const known = job.content.vms.map((vm) => vm.name).join(', ');
  return new VaultError(
    'BackupNotFound',
    `Job ${job.content.jobId} of backup set '${set.setName}' has no VM '${vmName}'; it has: ${known}.`,
  );
}
