// What the restore of one disk is asked, and what a site does for it beside the steps that it shares with a VM's
// restore: the disk is copied beside an existing VM and added to it. Idempotent as all steps are.
import { z } from 'zod';
import type { Placement, TargetStepInput } from './placement.ts';
import type { RestoreDisk } from './restore-steps.ts';
import { type PreflightFinding, startInputSchema } from './session.ts';
import { rateSchema } from './throttle.ts';

export const restoreDiskInputSchema = startInputSchema
  .pick({
    ...{ sessionId: true, site: true, commandedAtMs: true, source: true, target: true },
    ...{ verify: true, stepTimeoutMs: true },
  })
  .extend({
    /** As a .vmx calls its place (`scsi0:1`), or by the name that it has in the backup (`web01_1.vmdk`). */
    disk: z.string().min(1).max(200),
    /** The VM that gets it: its name, or its moref. */
    toVm: z.string().min(1).max(200),
    /** By name; the one of the VM's configuration when absent. */
    datastore: z.string().min(1).max(80).optional(),
    /** What the copying reads at the most, bytes a second. */
    throttle: rateSchema.optional(),
  });
export type RestoreDiskInput = z.infer<typeof restoreDiskInputSchema>;

/** Where the disk's file goes: beside the VM's own, under a name that only this session gives. */
export interface RestoredDiskFile {
  /** Name of the datastore. */
  readonly datastore: string;
  readonly folder: string;
  /** `web01_1-web01-k3v9q2m4xa.vmdk` */
  readonly name: string;
  /** The folder was not there before: undone, it goes when it is empty. */
  readonly isNewFolder: boolean;
}

/** The VM that gets the disk. */
export interface GrowingVm {
  readonly moref: string;
  readonly name: string;
}

/** What preflight has found, once for all steps. */
export interface RestoreDiskPlan {
  /** The job that `latest` stood for. */
  readonly jobId: string;
  readonly placement: Placement;
  readonly disk: RestoreDisk;
  readonly vm: GrowingVm;
  readonly file: RestoredDiskFile;
  readonly warnings: readonly PreflightFinding[];
}

export interface RestoreDiskStepInput extends TargetStepInput {
  readonly disk: RestoreDisk;
  readonly vm: GrowingVm;
  readonly file: RestoredDiskFile;
}

export interface RemoveRestoredDiskInput extends RestoreDiskStepInput {
  /** The target's copy that may still run. */
  readonly task: string | undefined;
}

export interface RestoreDiskActivities {
  /** Everything that stands in the way, in one failure; touches nothing. */
  restoreDiskPreflight(input: RestoreDiskInput): Promise<RestoreDiskPlan>;
  /** Makes the file's folder where it is not there; answers where the file will be for good. */
  openDiskFolder(input: RestoreDiskStepInput): Promise<RestoredDiskFile>;
  /** Returns when the disk is whole in production; goes on with a copy that runs already. */
  copyDiskToVm(input: RestoreDiskStepInput): Promise<void>;
  /** Adds the copy to the VM, once; answers where it hangs: `scsi0:2`. */
  attachRestoredDisk(input: RestoreDiskStepInput): Promise<{ readonly node: string }>;
  /** Ends a copy that runs, takes the disk off the VM, and deletes its files. Throws NotOurs when others use it. */
  removeRestoredDisk(input: RemoveRestoredDiskInput): Promise<void>;
}
