// Inputs and answers of the vault's Workflows: init, list and backup run at a site, the CLI only asks.
import { z } from 'zod';
import { backupSetNameSchema, siteNameSchema } from './names.ts';
import { sealedSecretSchema } from './secret.ts';

/** Where a vault lives, as the site sees it: an absolute folder. (Buckets and SFTP get URLs here.) */
export const vaultLocationSchema = z.string().startsWith('/', 'a vault is named by its absolute folder');

export const vaultInitInputSchema = z.object({ site: siteNameSchema, vault: vaultLocationSchema });
export type VaultInitInput = z.infer<typeof vaultInitInputSchema>;
export interface VaultInitResult {
  readonly vault: string;
  readonly vaultId: string;
}

export const vaultListInputSchema = z.object({
  site: siteNameSchema,
  vault: vaultLocationSchema,
  backupSet: backupSetNameSchema.optional(),
});
export type VaultListInput = z.infer<typeof vaultListInputSchema>;

export interface DiskSummary {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes that this job added to the vault for the disk. */
  readonly storedBytes: number;
}
export interface VmSummary {
  readonly name: string;
  readonly disks: readonly DiskSummary[];
}
/** Where the contents of a job come from that was kept from a session, and no backup of a VM at rest. */
export interface KeptFrom {
  readonly sessionId: string;
  /** The job that the session runs from. */
  readonly baseJobId: string;
  /** The moment that the disks show, ISO 8601, UTC. */
  readonly at: string;
  /** Of this one keep: a set has at most one job of it. */
  readonly keepId: string;
}

export interface JobSummary {
  readonly jobId: string;
  readonly kind: 'full' | 'delta';
  /** When the job was committed, ISO 8601, UTC. */
  readonly createdAt: string;
  /** Undefined for a backup. */
  readonly keptFrom?: KeptFrom | undefined;
  readonly vms: readonly VmSummary[];
  readonly storedBytes: number;
}
export interface BackupSetSummary {
  readonly name: string;
  readonly createdAt: string;
  /** Oldest first. */
  readonly jobs: readonly JobSummary[];
  /** Jobs whose manifest can't be read, in words; they are not among `jobs`. */
  readonly damaged?: readonly string[];
}
export interface VaultListResult {
  readonly vault: string;
  readonly vaultId: string;
  readonly backupSets: readonly BackupSetSummary[];
}

export const backupInputSchema = z.object({
  site: siteNameSchema,
  vault: vaultLocationSchema,
  backupSet: backupSetNameSchema,
  /** Folders of powered-off VMs, absolute, as the site sees them; one job holds them all. */
  vmFolders: z.array(z.string().startsWith('/')).min(1).max(64),
  passphrase: sealedSecretSchema,
  /** Start a new chain although a delta would do. */
  full: z.boolean(),
});
export type BackupInput = z.infer<typeof backupInputSchema>;

export interface BackupProgress {
  readonly phase: 'waiting' | 'reading' | 'committing' | 'done' | 'failed';
  readonly vmName: string;
  readonly diskName: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly storedBytes: number;
}
export interface BackupResult extends JobSummary {
  readonly backupSet: string;
  readonly newSet: boolean;
  readonly durationMs: number;
  /** What of the VMs can't come along, and what is wrong with the set beside this job, in words; the job is whole. */
  readonly warnings: readonly string[];
}

/** Names of a backup's messages: the Query `progress` answers `BackupProgress`. */
export const BackupMessage = { progress: 'progress' } as const;
