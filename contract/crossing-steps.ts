// Crossing: how a VM comes to production where the target does not migrate it itself. The session copies its disks,
// takes the guest away for a moment, registers the VM anew in a folder of production, and runs it there. What a site
// does for that, one step each, idempotent as all steps are. JSON-safe throughout.
//
//   claim the folder → freeze → copy each disk → guest away → stage → fence → join → run → settle → release
//
// Up to `run` each step has one that undoes it; the VM that has run in production stays there.
import type { GuestAway } from './finalize.ts';
import type { CardPlan, ProductionPlace } from './location.ts';
import type { RunningVmInput } from './placement.ts';
import type { RunningVm, SessionStatus } from './session.ts';

/** What of a crossing is known before it begins. */
export interface CrossingPlan {
  readonly folder: ProductionPlace;
  /** The disks are frozen under a snapshot and copied while the guest runs; else they are copied when it is off. */
  readonly whileRunning: boolean;
  /** The guest's changes lie apart already: without a snapshot, what they stand on is copied, and they stay apart. */
  readonly isFrozen?: boolean | undefined;
  /** Where it is registered there. */
  readonly place: InventoryPlace;
  /** Where it is registered now: a person may have renamed or moved it since its start. */
  readonly from: InventoryPlace;
}

/** What a VM is called, and morefs of where it stands in the inventory. */
export interface InventoryPlace {
  readonly name: string;
  readonly folder: string;
  readonly resourcePool: string;
  readonly host: string;
}

/** Paths are `[datastore] folder/name.vmdk`. */
export interface CrossingDisk {
  /** What the VM writes to; the frozen disk itself where nothing runs meanwhile. */
  readonly top: string;
  /** What is copied, with all that it stands on. */
  readonly frozen: string;
  /** The lowest of that, whose name the copy takes. */
  readonly base: string;
  readonly copy: string;
  readonly sizeBytes: number;
  /** Content ID of `top` as it was frozen: another one says that somebody has written to it since. */
  readonly cid: string;
  /** How `top` names the frozen disk; undefined where it is the frozen disk. */
  readonly parent: { readonly cid: string; readonly hint: string } | undefined;
}

export interface CrossingStepInput extends RunningVmInput {
  readonly crossing: CrossingPlan;
}
export interface CrossingDisksInput extends CrossingStepInput {
  readonly disks: readonly CrossingDisk[];
}
export interface CopyFrozenDiskInput extends CrossingStepInput {
  readonly disk: CrossingDisk;
  /** Of the disks before it, and of all. */
  readonly beforeBytes: number;
  readonly totalBytes: number;
}
export interface TakeGuestAwayInput extends RunningVmInput {
  readonly how: GuestAway;
}
/** Plain names in the session's directory that the VM stands on in production for a while. */
export interface StagedVm {
  readonly keep: readonly string[];
}
export interface FenceOldVmInput extends CrossingDisksInput, StagedVm {}
/** What is known of the VM in production: undefined where it is not registered. */
export interface ProductionSighting {
  readonly vm: RunningVm | undefined;
  readonly powerState: SessionStatus['powerState'];
}
export interface InProductionInput extends CrossingStepInput {
  /** Moref of the VM in production. */
  readonly there: string;
}
export interface SettleInProductionInput extends InProductionInput {
  readonly cards: readonly CardPlan[];
}
export interface RemoveProductionFolderInput extends CrossingStepInput {
  /** Copies that may still run at the target. */
  readonly tasks: readonly string[];
}

export interface CrossingActivities {
  /**
   * Makes the VM's folder in production this session's, and those of its disks on other datastores, and says where they
   * are for good, as all later steps take them. NameTaken where one is somebody else's.
   */
  claimProductionFolder(input: CrossingStepInput): Promise<ProductionPlace>;
  /** Says what is to be copied; takes the snapshot that freezes it where the guest runs meanwhile. */
  freezeDisks(input: CrossingStepInput): Promise<readonly CrossingDisk[]>;
  /** Returns when the copy is whole; goes on with one that runs already. */
  copyFrozenDisk(input: CopyFrozenDiskInput): Promise<void>;
  /** Returns when the guest is suspended, or its VM off. */
  takeGuestAway(input: TakeGuestAwayInput): Promise<void>;
  /** Writes the VM's small files in production. Throws where the VM is not as it was frozen. */
  stageVm(input: CrossingDisksInput): Promise<StagedVm>;
  /** From here on the old VM can't run: its files are refused to hosts, and it is out of the inventory. */
  fenceOldVm(input: FenceOldVmInput): Promise<void>;
  /** Sets the changes on the copies, and registers the VM in production. */
  joinInProduction(input: CrossingDisksInput): Promise<RunningVm>;
  /** Where the VM in production is, by its path. */
  sightInProduction(input: CrossingStepInput): Promise<ProductionSighting>;
  /** Powers the VM on where `powerOn` says so; after it nothing leads back. */
  runInProduction(
    input: InProductionInput & { readonly powerOn: boolean },
  ): Promise<{ readonly runsAtMs: number }>;
  /** Puts the cards where the plan says, and returns when every disk lies in production alone. */
  settleInProduction(input: SettleInProductionInput): Promise<void>;
  /** The folders are production's from here on. */
  releaseProductionFolder(input: CrossingStepInput): Promise<void>;

  /** Takes the VM in production out of the inventory, and the changes off the copies. VmMoved where it runs. */
  withdrawFromProduction(input: CrossingDisksInput): Promise<void>;
  /** Lifts the fence and registers the old VM, which may get another moref. */
  returnOldVm(input: CrossingStepInput): Promise<RunningVm>;
  /** Resumes the guest, or powers its VM on. */
  bringGuestBack(input: RunningVmInput): Promise<void>;
  /** Merges what was written since the snapshot into the frozen disks. */
  thawDisks(input: RunningVmInput): Promise<void>;
  /** Ends copies that run, and deletes the folders with all that is in them where they are this session's. */
  removeProductionFolder(input: RemoveProductionFolderInput): Promise<void>;
}
