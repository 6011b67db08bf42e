// Browse: a job's disks are published read-only, for a person's machine to mount and look for files. Open until
// somebody closes it. JSON-safe throughout.
import { z } from 'zod';
import { startInputSchema } from './session.ts';

const { sessionId, site, source } = startInputSchema.shape;

export const browseInputSchema = z.object({
  /** Its Workflow Id, and the directory of the export. */
  browseId: sessionId,
  site,
  source,
  /** Addresses or CIDR ranges that may mount it. */
  allow: z.array(z.string().min(1).max(100)).min(1).max(64),
});
export type BrowseInput = z.infer<typeof browseInputSchema>;

export interface BrowsePartition {
  readonly number: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface BrowseDisk {
  /** Its data as a file in the export: `web01-flat.vmdk`. */
  readonly file: string;
  readonly sizeBytes: number;
  /** As its partition table says; empty where it has none that is known. */
  readonly partitions: readonly BrowsePartition[];
}

/** What there is to mount. */
export interface BrowseExport {
  readonly jobId: string;
  readonly host: string;
  /** The directory itself: what MOUNT is asked for. */
  readonly path: string;
  readonly ports: { readonly nfs: number; readonly mount: number };
  readonly disks: readonly BrowseDisk[];
}

export interface BrowseStatus {
  readonly browseId: string;
  readonly site: string;
  readonly vmName: string;
  readonly backupSet: string;
  readonly state: 'opening' | 'open' | 'closing' | 'closed';
  readonly allow: readonly string[];
  /** Undefined until it is open. */
  readonly exported: BrowseExport | undefined;
}

export interface CloseBrowseResult {
  readonly browseId: string;
  readonly state: 'closed';
}

/** `status` is a Query; the Updates `opened` and `close` answer when it is so. */
export const BrowseMessage = { status: 'status', opened: 'opened', close: 'close' } as const;

export interface BrowseActivities {
  /** Publishes the disks read-only; `dropExport` takes them away. */
  openBrowse(input: BrowseInput): Promise<BrowseExport>;
}
