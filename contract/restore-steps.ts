// What a restore is asked, and what a site does for it beside the steps that it shares with a session's start.
// Idempotent as all steps are.
import { z } from 'zod';
import { diskPlacesSchema, type ProductionPlace } from './location.ts';
import type { Placement, SessionSource, TargetStepInput } from './placement.ts';
import { type PreflightFinding, type RunningVm, startInputSchema } from './session.ts';
import { rateSchema } from './throttle.ts';

/** As of a start; nothing runs from the export, so it keeps hardly any room for changes. */
export const restoreInputSchema = startInputSchema
  .omit({ reserveFactor: true, autoMigrate: true, changes: true })
  .extend({
    placement: startInputSchema.shape.placement
      .pick({ name: true, host: true, folder: true, resourcePool: true })
      .extend({
        /** `disconnected`: every NIC is there, and starts unplugged. */
        network: z.enum(['original', 'disconnected']),
      }),
    /** Where the configuration and every disk that `disks` does not name go; its name as the target shows it. */
    datastore: z.string().min(1).max(80),
    disks: diskPlacesSchema.optional(),
    /** What the copying reads at the most, bytes a second. */
    throttle: rateSchema.optional(),
  });
export type RestoreInput = z.infer<typeof restoreInputSchema>;

export interface RestoreDisk {
  /** In the backup and in the export, and in production: `web01.vmdk`. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** Where a restore takes the VM, found once by its preflight. */
export interface RestorePlan {
  /** The job that `latest` stood for. */
  readonly jobId: string;
  readonly placement: Placement;
  readonly production: ProductionPlace;
  readonly disks: readonly RestoreDisk[];
  readonly warnings: readonly PreflightFinding[];
}

/** A step that touches the restored VM's folders. */
export interface RestoreStepInput extends TargetStepInput {
  readonly production: ProductionPlace;
}

/**
 * The restored VM as the steps of sessions know VMs: by the directory that holds its files, which is in production
 * here, by its folders on other datastores, and by the session's mark, which it carries until it is handed over.
 */
export function inProduction(input: RestoreStepInput): TargetStepInput {
  const { sessionId, target, placement, exported, production } = input;
  const vmxName = exported.vmxPath.slice(exported.vmxPath.lastIndexOf('/') + 1);
  return {
    sessionId,
    target,
    placement: { ...placement, datastore: production.datastore, apart: production.apart },
    exported: { ...exported, vmxPath: `${production.folder}/${vmxName}` },
  };
}

export interface CopyRestoreDiskInput extends RestoreStepInput {
  readonly disk: RestoreDisk;
}

export interface WriteVmFilesInput extends RestoreStepInput {
  readonly source: SessionSource;
  readonly network: RestoreInput['placement']['network'];
}

export interface RemoveRestoreInput extends RestoreStepInput {
  /** The target's copy that may still run. */
  readonly task: string | undefined;
}

export interface RestoreActivities {
  /** Everything that stands in the way of a restore, in one failure; touches nothing. */
  restorePreflight(input: RestoreInput): Promise<RestorePlan>;
  /** Makes the VM's folders this restore's own; answers where they are for good. NameTaken where one is somebody else's. */
  claimRestoreFolder(input: RestoreStepInput): Promise<ProductionPlace>;
  /** Returns when the disk is whole in production; goes on with a copy that runs already. */
  copyRestoreDisk(input: CopyRestoreDiskInput): Promise<void>;
  /** Writes the .vmx, .nvram and other small files, with the session's mark. */
  writeVmFiles(input: WriteVmFilesInput): Promise<void>;
  /** Registers the VM in production and reads it back: every file must lie in its folders. */
  registerRestoredVm(input: RestoreStepInput): Promise<RunningVm>;
  /** Ends a copy that runs, and deletes the folders with all that is in them, as far as they are this restore's. */
  removeRestore(input: RemoveRestoreInput): Promise<void>;
  /** From here on the folders are production's: takes away what said that they are this restore's. */
  releaseRestoreFolder(input: RestoreStepInput): Promise<void>;
}

/** What a restore's steps tell its Workflow, by the Signal `REPORT_SIGNAL`. */
export type RestoreReport =
  /** The target's task that copies a disk: whoever undoes the restore has to end it. */
  | { readonly kind: 'copyTask'; readonly task: string }
  | {
      readonly kind: 'copy';
      readonly disk: string;
      readonly copiedBytes: number;
      readonly bytesPerSecond: number | undefined;
    };
