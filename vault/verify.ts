// Reads every block that makes the disks of a job, from whichever file of the chain, and checks its seal, its
// length and its digest. Nothing comes from a cache that a session filled. Damage is collected, so that one
// finding does not hide the next; an unreachable destination is thrown, because it says nothing about the data.
import { hash } from 'node:crypto';
import { blockCount, DIGEST_BYTES, decodePointer, PAGE_FANOUT, positionInPage } from './block-file-format.ts';
import { DiskChain } from './disk-chain.ts';
import type { ManifestDisk } from './job-manifest.ts';
import { isDamage, type Job, type SetContext } from './job-store.ts';
import { ImageCache } from './loading-cache.ts';
import type { VerifyCursor, VerifyOptions, VerifyReport } from './ports.ts';
import { Encoding } from './sealing.ts';
import { VaultError } from './vault-error.ts';
import { diskContext } from './vm-at-job.ts';

const MAX_VERIFY_FINDINGS = 100;
const PAGES_BYTES = 1024 * 1024;
/** Blocks checked between two looks at the signal and reports of progress; a divisor of a leaf. */
const STEP_BLOCKS = 64;
/** Blocks read at the same time. */
const PARALLEL_BLOCKS = 4;

interface DiskToCheck {
  readonly vmName: string;
  readonly disk: ManifestDisk;
}

/** Throws VaultError BackupNotFound (no such VM in the job), InvalidInput (cursor), DestinationUnavailable. */
export async function verifyJob(
  set: SetContext,
  job: Job,
  vmName: string | undefined,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const disks = job.content.vms
    .filter((vm) => vmName === undefined || vm.name === vmName)
    .flatMap((vm) => vm.disks.map((disk) => ({ vmName: vm.name, disk })));
  if (vmName !== undefined && !job.content.vms.some((vm) => vm.name === vmName)) {
    throw new VaultError('BackupNotFound', `Job ${job.content.jobId} has no VM '${vmName}'.`);
  }
  return new Verification(set, job.content.jobId, disks, options).run();
}

class Verification {
  readonly #set: SetContext;
  readonly #jobId: string;
  readonly #disks: readonly DiskToCheck[];
  readonly #options: VerifyOptions;
  readonly #totalBytes: number;
  readonly #findings: string[] = [];
  #checkedBytes = 0;

  constructor(set: SetContext, jobId: string, disks: readonly DiskToCheck[], options: VerifyOptions) {
    this.#set = set;
    this.#jobId = jobId;
    this.#disks = disks;
    this.#options = options;
    this.#totalBytes = disks.reduce((sum, { disk }) => sum + disk.sizeBytes, 0);
  }

  async run(): Promise<VerifyReport> {
    const { resumeFrom } = this.#options;
    const first = resumeFrom === undefined ? 0 : this.#indexOf(resumeFrom);
    for (const { disk } of this.#disks.slice(0, first)) this.#checkedBytes += disk.sizeBytes;
    for (const [index, entry] of this.#disks.entries()) {
      if (index < first) continue;
      await this.#checkDisk(entry, index === first ? (resumeFrom?.blockNumber ?? 0) : 0);
    }
    return {
      jobId: this.#jobId,
      passed: this.#findings.length === 0,
      checkedBytes: this.#checkedBytes,
      totalBytes: this.#totalBytes,
      findings: [...this.#findings],
    };
  }

  async #checkDisk(entry: DiskToCheck, fromBlock: number): Promise<void> {
    const chain = await this.#openChain(entry);
    if (chain === undefined) {
      this.#checkedBytes += entry.disk.sizeBytes;
      return;
    }
    try {
      await this.#checkFiles(entry);
      await this.#checkBlocks(entry, chain, fromBlock);
    } finally {
      await chain.close();
    }
  }

  async #openChain({ vmName, disk }: DiskToCheck): Promise<DiskChain | undefined> {
    const context = diskContext(this.#set, vmName, disk.name);
    let chain: DiskChain | undefined;
    await this.#collect(async () => {
      chain = await DiskChain.open(context, disk.chain, new ImageCache(0, PAGES_BYTES));
    });
    return chain;
  }

  /** Header and footer of every file of the chain, also of one that gives the disk no block any more. */
  async #checkFiles({ vmName, disk }: DiskToCheck): Promise<void> {
    const context = diskContext(this.#set, vmName, disk.name);
    for (let files = 1; files < disk.chain.length; files += 1) {
      await this.#collect(async () => {
        const chain = await DiskChain.open(context, disk.chain.slice(0, files), new ImageCache(0, 0));
        await chain.close();
      });
    }
  }

  async #checkBlocks(entry: DiskToCheck, chain: DiskChain, fromBlock: number): Promise<void> {
    const { blockSizeBytes } = chain.footer;
    const blocks = blockCount(entry.disk.sizeBytes, blockSizeBytes);
    this.#checkedBytes += fromBlock * blockSizeBytes;
    const before = this.#checkedBytes - fromBlock * blockSizeBytes;
    for (let block = fromBlock; block < blocks; ) {
      const leafEnd = Math.min((Math.floor(block / PAGE_FANOUT) + 1) * PAGE_FANOUT, blocks);
      const leaf = await this.#loadLeaf(chain, Math.floor(block / PAGE_FANOUT));
      for (; block < leafEnd; block += STEP_BLOCKS - (block % STEP_BLOCKS)) {
        this.#options.signal?.throwIfAborted();
        const end = Math.min(block + STEP_BLOCKS - (block % STEP_BLOCKS), leafEnd);
        if (leaf !== undefined) await this.#checkStep(chain, leaf, block, end);
        this.#checkedBytes = before + Math.min(end * blockSizeBytes, entry.disk.sizeBytes);
        this.#report({ vmName: entry.vmName, diskName: entry.disk.name, blockNumber: end });
      }
    }
  }

  /** The leaf and its digests; undefined when it is all zeros, or damaged (which is then noted). */
  async #loadLeaf(chain: DiskChain, leafIndex: number): Promise<LeafToCheck | undefined> {
    let loaded: LeafToCheck | undefined;
    await this.#collect(async () => {
      const leaf = await chain.page(0, leafIndex);
      if (leaf !== undefined)
        loaded = { leaf, digests: digestsByBlock(leaf, await chain.digests(leafIndex, leaf)) };
    });
    return loaded;
  }

  async #checkStep(chain: DiskChain, leaf: LeafToCheck, from: number, to: number): Promise<void> {
    for (let block = from; block < to; block += PARALLEL_BLOCKS) {
      const checks: Promise<void>[] = [];
      for (let one = block; one < Math.min(block + PARALLEL_BLOCKS, to); one += 1) {
        checks.push(this.#collect(() => checkBlock(chain, leaf, one)));
      }
      await Promise.all(checks);
    }
  }

  async #collect(check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (this.#findings.length < MAX_VERIFY_FINDINGS) this.#findings.push(error.message);
      else if (this.#findings.length === MAX_VERIFY_FINDINGS) this.#findings.push('There are more findings.');
    }
  }

  #report(cursor: VerifyCursor): void {
    this.#options.onProgress?.({
      checkedBytes: this.#checkedBytes,
      totalBytes: this.#totalBytes,
      cursor,
      findings: this.#findings,
    });
  }

  #indexOf(cursor: VerifyCursor): number {
    const index = this.#disks.findIndex(
      ({ vmName, disk }) => vmName === cursor.vmName && disk.name === cursor.diskName,
    );
    const valid = Number.isSafeInteger(cursor.blockNumber) && cursor.blockNumber >= 0;
    if (index >= 0 && valid) return index;
    throw new VaultError(
      'InvalidInput',
      `A verify of job ${this.#jobId} can't go on at block ${cursor.blockNumber} of ${cursor.vmName}/${cursor.diskName}.`,
    );
  }
}

interface LeafToCheck {
  readonly leaf: Buffer;
  readonly digests: ReadonlyMap<number, Buffer>;
}

/** Digest of each stored block, by its position in the leaf. */
function digestsByBlock(leaf: Buffer, packed: Buffer): Map<number, Buffer> {
  const digests = new Map<number, Buffer>();
  for (let position = 0; position < PAGE_FANOUT; position += 1) {
    if (decodePointer(leaf, positionInPage(position)).encoding === Encoding.absent) continue;
    const at = digests.size * DIGEST_BYTES;
    digests.set(position, packed.subarray(at, at + DIGEST_BYTES));
  }
  return digests;
}

async function checkBlock(
  chain: DiskChain,
  { leaf, digests }: LeafToCheck,
  blockNumber: number,
): Promise<void> {
  const pointer = decodePointer(leaf, positionInPage(blockNumber));
  if (pointer.encoding === Encoding.absent) return;
  const plain = await chain.block(blockNumber, pointer);
  if (digests.get(blockNumber % PAGE_FANOUT)?.equals(hash('sha256', plain, 'buffer')) === true) return;
  throw await chain.corruptBlock(blockNumber, pointer, 'its contents do not match their digest');
}
