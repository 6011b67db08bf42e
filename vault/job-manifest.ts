// The manifest of a job: the one object whose appearance makes the job exist. Its public part (names, sizes,
// times, and which block files make each disk) can be read by whoever reads the destination; the VMs' small
// files are sealed. One AES-GCM seal covers both, so a change to either is noticed once the set is unlocked.
// Source: docs/vault-format.md, "Job manifests".
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { jobObjectName } from './object-names.ts';
import type { Destination, DiskSummary, JobSummary, SmallFile } from './ports.ts';
import { deriveKey, NONCE_BYTES, SALT_BYTES, TAG_BYTES, unzstd, zstd } from './sealing.ts';
import { messageOf, VaultError } from './vault-error.ts';

const MAGIC = Buffer.from('RDJOBMAN');
const VERSION = 1;
const PREFIX_BYTES = 20;
const MAX_PUBLIC_BYTES = 32 * 1024 * 1024;
const MAX_SMALL_FILES_BYTES = 64 * 1024 * 1024;
const MAX_SEALED_PLAIN_BYTES = MAX_SMALL_FILES_BYTES + 8 * 1024 * 1024;
const MAX_MANIFEST_BYTES = PREFIX_BYTES + MAX_PUBLIC_BYTES + MAX_SEALED_PLAIN_BYTES + TAG_BYTES;
/** Most manifests' public parts fit: one read lists them. */
const FIRST_READ_BYTES = 64 * 1024;
/** One nonce suffices: every manifest has a key of its own, from its salt. */
const NONCE = Buffer.alloc(NONCE_BYTES);

const sizeSchema = z.number().int().nonnegative();
const chainFileSchema = z.object({
  fileId: z.string().regex(/^[0-9a-f]{32}$/),
  sizeBytes: sizeSchema,
});
/** A block file of a chain: its id, which names it, and its size. */
export type ChainFile = z.infer<typeof chainFileSchema>;

const diskSchema = z.object({
  name: z.string().min(1),
  sizeBytes: sizeSchema,
  /** From the full to this job's own file, which is the last. */
  chain: z.array(chainFileSchema).min(1),
});
export type ManifestDisk = z.infer<typeof diskSchema>;

const keptFromSchema = z.object({
  sessionId: z.string(),
  baseJobId: z.string(),
  at: z.string(),
  keepId: z.string(),
});

const publicPartSchema = z.object({
  setId: z.string(),
  jobId: z.string(),
  sequence: z.number().int().positive(),
  createdAt: z.string(),
  keptFrom: keptFromSchema.optional(),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  vms: z.array(z.object({ name: z.string().min(1), disks: z.array(diskSchema) })),
});
type PublicPart = z.infer<typeof publicPartSchema>;
/** What a job is made of, before it gets the salt of its seal. */
export type JobContent = Omit<PublicPart, 'salt'>;

const fileListSchema = z.array(z.object({ vm: z.string(), name: z.string(), lengthBytes: sizeSchema }));

export interface VmFiles {
  readonly vmName: string;
  readonly files: readonly SmallFile[];
}

/** A manifest's public part, as read; not authenticated. */
export interface ListedJob {
  readonly content: JobContent;
  readonly manifestBytes: number;
}

/** Throws VaultError InvalidInput when the small files, or the names and chains, are more than a reader takes. */
export function encodeManifest(content: JobContent, vmFiles: readonly VmFiles[], setKey: Uint8Array): Buffer {
  const salt = randomBytes(SALT_BYTES);
  const publicBytes = Buffer.from(JSON.stringify({ ...content, salt: salt.toString('hex') }));
  if (publicBytes.byteLength > MAX_PUBLIC_BYTES) {
    throw new VaultError(
      'InvalidInput',
      `The names and chains of the job's disks make a manifest of ${publicBytes.byteLength} bytes; it has at most ${MAX_PUBLIC_BYTES}. Begin new chains (a full backup), or give some of the VMs a set of their own.`,
    );
  }
  const sealedPlain = zstd(encodeFiles(vmFiles));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MAGIC.copy(prefix);
  prefix.writeUInt16LE(VERSION, 8);
  prefix.writeUInt32LE(publicBytes.byteLength, 12);
  prefix.writeUInt32LE(sealedPlain.byteLength + TAG_BYTES, 16);
  const cipher = createCipheriv('aes-256-gcm', manifestKey(setKey, salt), NONCE);
  cipher.setAAD(Buffer.concat([prefix, publicBytes]));
  const ciphertext = cipher.update(sealedPlain);
  cipher.final();
  return Buffer.concat([prefix, publicBytes, ciphertext, cipher.getAuthTag()]);
}

/**
 * Reads the public part alone. Undefined when there is no such job.
 * Throws VaultError BlockCorrupt for one that is damaged so that it can't be read, or cut short.
 */
export async function readPublicPart(
  destination: Destination,
  setName: string,
  sequence: number,
): Promise<ListedJob | undefined> {
  const name = jobObjectName(setName, sequence);
  const reader = await destination.open(name);
  if (reader === undefined) return undefined;
  try {
    let bytes = await reader.read(0, FIRST_READ_BYTES);
    const lengths = parsePrefix(bytes, name);
    if (lengths.end !== reader.sizeBytes)
      throw damaged(name, `it has ${reader.sizeBytes} bytes, not ${lengths.end}`);
    if (lengths.publicEnd > bytes.byteLength) bytes = await reader.read(0, lengths.publicEnd);
    const { content } = parsePublicPart(bytes, lengths.publicEnd, name);
    return { content, manifestBytes: reader.sizeBytes };
  } finally {
    await reader.close();
  }
}

/** Reads a job and checks its seal. Undefined when there is no such job; throws VaultError BlockCorrupt. */
export async function readManifest(
  destination: Destination,
  setName: string,
  setId: string,
  sequence: number,
  setKey: Uint8Array,
): Promise<(ListedJob & { readonly vmFiles: readonly VmFiles[] }) | undefined> {
  const name = jobObjectName(setName, sequence);
  const bytes = await destination.get(name, MAX_MANIFEST_BYTES);
  if (bytes === undefined) return undefined;
  const lengths = parsePrefix(bytes, name);
  if (lengths.end !== bytes.byteLength)
    throw damaged(name, `it has ${bytes.byteLength} bytes, not ${lengths.end}`);
  const { content, salt } = parsePublicPart(bytes, lengths.publicEnd, name);
  const plain = unseal(bytes, lengths.publicEnd, Buffer.from(salt, 'hex'), setKey, name);
  if (content.setId !== setId || content.sequence !== sequence) {
    throw damaged(name, 'it belongs to another set or was moved from another place');
  }
  return { content, manifestBytes: bytes.byteLength, vmFiles: decodeFiles(plain, name) };
}

/** What a person sees of a job. */
export function summaryOf({ content, manifestBytes }: ListedJob): JobSummary {
  const vms = content.vms.map((vm) => ({ name: vm.name, disks: vm.disks.map(diskSummary) }));
  const diskBytes = vms.flatMap((vm) => vm.disks).reduce((sum, disk) => sum + disk.storedBytes, 0);
  const isDelta = content.vms.some((vm) => vm.disks.some((disk) => disk.chain.length > 1));
  return {
    jobId: content.jobId,
    kind: isDelta ? 'delta' : 'full',
    createdAt: content.createdAt,
    ...(content.keptFrom === undefined ? {} : { keptFrom: content.keptFrom }),
    vms,
    storedBytes: diskBytes + manifestBytes,
  };
}

function diskSummary(disk: ManifestDisk): DiskSummary {
  return { name: disk.name, sizeBytes: disk.sizeBytes, storedBytes: disk.chain.at(-1)?.sizeBytes ?? 0 };
}

function parsePrefix(bytes: Uint8Array, name: string): { publicEnd: number; end: number } {
  const prefix = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, PREFIX_BYTES));
  if (prefix.byteLength < PREFIX_BYTES || !prefix.subarray(0, MAGIC.byteLength).equals(MAGIC)) {
    throw damaged(name, 'it does not start as a manifest does');
  }
  const version = prefix.readUInt16LE(8);
  if (version > VERSION) {
    throw new VaultError(
      'FormatUnsupported',
      `${name} has format version ${version}; this program reads version ${VERSION}. Update it.`,
    );
  }
  const publicBytes = prefix.readUInt32LE(12);
  if (publicBytes > MAX_PUBLIC_BYTES) throw damaged(name, 'its lengths are impossible');
  const publicEnd = PREFIX_BYTES + publicBytes;
  return { publicEnd, end: publicEnd + prefix.readUInt32LE(16) };
}

function parsePublicPart(
  bytes: Uint8Array,
  publicEnd: number,
  name: string,
): { content: JobContent; salt: string } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(PREFIX_BYTES, publicEnd));
    const { salt, ...content } = publicPartSchema.parse(JSON.parse(text));
    return { content, salt };
  } catch (error) {
    throw damaged(name, 'its public part can not be parsed', error);
  }
}

function unseal(
  bytes: Uint8Array,
  publicEnd: number,
  salt: Buffer,
  setKey: Uint8Array,
  name: string,
): Buffer {
  try {
    const tagAt = bytes.byteLength - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', manifestKey(setKey, salt), NONCE, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(bytes.subarray(0, publicEnd));
    decipher.setAuthTag(bytes.subarray(tagAt));
    const compressed = decipher.update(bytes.subarray(publicEnd, tagAt));
    decipher.final();
    return unzstd(compressed, MAX_SEALED_PLAIN_BYTES);
  } catch (error) {
    throw damaged(name, 'it does not authenticate', error);
  }
}

function manifestKey(setKey: Uint8Array, salt: Uint8Array) {
  return deriveKey(setKey, salt, 'rundirect job manifest v1');
}

function encodeFiles(vmFiles: readonly VmFiles[]): Buffer {
  const files = vmFiles.flatMap(({ vmName, files }) => files.map((file) => ({ vmName, ...file })));
  const totalBytes = files.reduce((sum, file) => sum + file.bytes.byteLength, 0);
  if (totalBytes > MAX_SMALL_FILES_BYTES) {
    throw new VaultError(
      'InvalidInput',
      `The VMs' small files have ${totalBytes} bytes together; a job keeps at most ${MAX_SMALL_FILES_BYTES}.`,
    );
  }
  const list = files.map(({ vmName, name, bytes }) => ({ vm: vmName, name, lengthBytes: bytes.byteLength }));
  const json = Buffer.from(JSON.stringify(list));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.byteLength);
  return Buffer.concat([length, json, ...files.map((file) => file.bytes)]);
}

function decodeFiles(plain: Buffer, name: string): VmFiles[] {
  try {
    const jsonEnd = 4 + plain.readUInt32LE(0);
    const byVm = new Map<string, SmallFile[]>();
    let at = jsonEnd;
    for (const entry of fileListSchema.parse(JSON.parse(plain.toString('utf8', 4, jsonEnd)))) {
      const bytes = plain.subarray(at, at + entry.lengthBytes);
      at += entry.lengthBytes;
      byVm.set(entry.vm, [...(byVm.get(entry.vm) ?? []), { name: entry.name, bytes }]);
    }
    if (at !== plain.byteLength) throw new Error('the files have other lengths than their list says');
    return [...byVm].map(([vmName, files]) => ({ vmName, files }));
  } catch (error) {
    throw damaged(name, `its sealed part is malformed: ${messageOf(error)}`, error);
  }
}

function damaged(name: string, problem: string, cause?: unknown): VaultError {
  return new VaultError(
    'BlockCorrupt',
    `The job's manifest ${name} is damaged: ${problem}. Use another job, or bring the file back from a copy of the vault.`,
    { cause },
  );
}
