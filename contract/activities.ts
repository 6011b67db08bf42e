// What a site can be asked to do: the Activities of its Task Queue, one step each, with what they take and
// answer. Workflows call them by these signatures; activities/ implements them; tests fake them.
//
// Every step is idempotent, and every undoing step answers "done" for what never happened. One object goes in,
// JSON-safe values come out. A secret travels sealed, and opens only for the Workflow that it was sealed for.

import type { BatchActivities } from './batch-steps.ts';
import type { BrowseActivities } from './browse.ts';
import type { ChangesActivities } from './changes-steps.ts';
import type { CleanUpActivities } from './clean-up.ts';
import type { CrossingActivities, CrossingPlan } from './crossing-steps.ts';
import type { DrillActivities } from './drill-steps.ts';
import type { FinalizeMode, FinalizeRequest, GuestAway, Vmotion } from './finalize.ts';
import type { KeepProgress } from './keep.ts';
import type { KeepActivities } from './keep-steps.ts';
import type { CardPlan, DiskPlan, Identity, OriginalPlan } from './location.ts';
import type {
  Placement,
  RunningVmInput,
  SessionExport,
  SessionSource,
  TargetStepInput,
} from './placement.ts';
import type { ProveActivities } from './prove-steps.ts';
import type { RestoreDiskActivities } from './restore-disk-steps.ts';
import type { RestoreActivities } from './restore-steps.ts';
import type { RoomActivities } from './room.ts';
import type {
  LogEntry,
  PreflightFinding,
  RunningVm,
  SessionStatus,
  StartInput,
  VerifyStatus,
} from './session.ts';
import type { SiteInfo, SiteInfoInput, TargetInfo, TargetInfoInput } from './target.ts';
import type { ThrottleActivities } from './throttle.ts';
import type { TurnActivities } from './turn-steps.ts';
import type {
  BackupInput,
  BackupProgress,
  BackupResult,
  VaultInitInput,
  VaultInitResult,
  VaultListInput,
  VaultListResult,
} from './vault.ts';
import type { VmSighting } from './vm-standing.ts';

export interface PreflightResult {
  /** The job that `latest` stood for. */
  readonly jobId: string;
  readonly provisionedBytes: number;
  readonly placement: Placement;
  readonly warnings: readonly PreflightFinding[];
}

export interface VerifyChainInput {
  readonly sessionId: string;
  readonly source: SessionSource;
}
export interface VerifyChainResult {
  readonly checkedBytes: number;
  /** Empty when all is well. */
  readonly findings: readonly string[];
}

export interface PublishInput {
  readonly sessionId: string;
  readonly source: SessionSource;
  readonly placement: Placement;
  readonly network: StartInput['placement']['network'];
  readonly mac?: Identity | undefined;
  readonly uuid?: Identity | undefined;
  readonly reserveFactor: number;
}
export interface DropExportInput {
  readonly sessionId: string;
}

/** Of a step that takes the session's VM out of the inventory. */
export interface UnmountInput extends TargetStepInput {
  /** A guest that runs is left to run, with GuestRuns; otherwise it is powered off for it, hard. */
  readonly sparesGuest?: boolean | undefined;
}
/** A step that undoes a start may come before anybody knew the VM's moref. */
export interface VmStepInput extends UnmountInput {
  readonly moref: string | undefined;
}
export interface UnmountResult {
  readonly unmounted: boolean;
  /** Why it stays mounted, there or on another host, in words. */
  readonly reason: string | undefined;
}

export interface AwaitGuestInput extends RunningVmInput {
  readonly timeoutMs: number;
}
export interface WatchVmInput extends RunningVmInput {
  /** What the session knows; the watch ends as soon as something else is true. */
  readonly known: Pick<VmSighting, 'standing' | 'powerState' | 'question'>;
}

/** One choice for one question: it never goes to another. */
export interface AnswerQuestionInput extends RunningVmInput {
  readonly questionId: string;
  readonly choiceKey: string;
}

export interface FinalizeStepInput extends RunningVmInput {
  readonly request: FinalizeRequest;
}
/** Where a finalize takes the VM, and how: found once by its preflight. Morefs, with names for people. */
export interface FinalizePlan {
  readonly mode: Exclude<FinalizeMode, 'byHand'>;
  readonly datastore: { readonly moref: string; readonly name: string };
  /** Each undefined where the VM stays. */
  readonly host: { readonly moref: string; readonly name: string } | undefined;
  readonly folder: string | undefined;
  readonly resourcePool: string | undefined;
  /** Provisioned size of the disks. */
  readonly totalBytes: number;
  readonly warnings: readonly PreflightFinding[];
  /** How the guest is taken away before, to be brought back after; absent where it runs on, or does not run. */
  readonly guestAway?: GuestAway | undefined;
  /** Where the target does not migrate the VM itself. */
  readonly crossing?: CrossingPlan | undefined;
  /** What may be tried next, in this order, where this way turns out not to be one. */
  readonly fallbacks?: readonly Vmotion[] | undefined;
  /** Disks that go elsewhere than `datastore`. */
  readonly disks?: readonly DiskPlan[] | undefined;
  /** Cards that change, or may have to. */
  readonly cards?: readonly CardPlan[] | undefined;
  /** Absent where the VM keeps its name. */
  readonly rename?: { readonly from: string; readonly to: string } | undefined;
  /** The VM whose place it takes. */
  readonly original?: OriginalPlan | undefined;
  /** Folders of files that no VM uses, `[datastore] name`: they are removed before the VM comes. */
  readonly overwrite?: readonly string[] | undefined;
}
/** What a VM in production is to be, before its original is removed. */
export interface ProveArrivalInput extends MigrateVmInput {
  readonly powerState: SessionStatus['powerState'];
  /** How long to wait for its guest's heartbeat; 0 where none is to be expected. */
  readonly heartbeatTimeoutMs: number;
}
export interface ArrivalProof {
  readonly proven: boolean;
  /** What was seen, or what is missing, in words. */
  readonly detail: string;
}
export interface MigrateVmInput extends RunningVmInput {
  readonly plan: FinalizePlan;
}
/** `[datastore] folder/name.vmx` of a VM that is in production now; undefined when somebody removed it. */
export interface HandOverResult {
  readonly location: string | undefined;
}

export interface SiteActivities
  extends CrossingActivities,
    BatchActivities,
    BrowseActivities,
    ChangesActivities,
    CleanUpActivities,
    ProveActivities,
    DrillActivities,
    KeepActivities,
    RestoreActivities,
    RestoreDiskActivities,
    RoomActivities,
    ThrottleActivities,
    TurnActivities {
  preflight(input: StartInput): Promise<PreflightResult>;
  verifyChain(input: VerifyChainInput): Promise<VerifyChainResult>;
  publish(input: PublishInput): Promise<SessionExport>;
  dropExport(input: DropExportInput): Promise<void>;
  mount(input: TargetStepInput): Promise<void>;
  /** Takes a VM of the session that came late out of the inventory, gives its lease back, and unmounts when nobody else needs the datastore. */
  unmount(input: UnmountInput): Promise<UnmountResult>;
  registerVm(input: TargetStepInput): Promise<RunningVm>;
  /** Throws VmMoved and NotOurs rather than touch a VM that is not the session's. */
  unregisterVm(input: VmStepInput): Promise<void>;
  powerOnVm(input: RunningVmInput): Promise<{ readonly poweredOnAtMs: number }>;
  /** Throws VmMoved and NotOurs rather than touch a VM that is not the session's. */
  powerOffVm(input: VmStepInput): Promise<void>;
  inspectVm(input: RunningVmInput): Promise<VmSighting>;
  awaitGuest(input: AwaitGuestInput): Promise<{ readonly readyAtMs: number | undefined }>;
  watchVm(input: WatchVmInput): Promise<VmSighting>;
  /** Answered by somebody else, or gone with the VM's power, is done. Throws NotOurs for a VM that is not marked. */
  answerQuestion(input: AnswerQuestionInput): Promise<void>;
  /** Everything that stands in the way of a migration, in one failure; touches nothing. */
  finalizePreflight(input: FinalizeStepInput): Promise<FinalizePlan>;
  /** Returns when every file of the VM lies on the plan's datastore; goes on with a migration that runs already. */
  migrateVm(input: MigrateVmInput): Promise<void>;
  /** Cancels a migration of the VM that still runs, waits for its end, and says where the VM is. None is done. */
  endMigration(input: MigrateVmInput): Promise<VmSighting>;
  /** Removes folders that the plan names, where no VM uses them still. Gone is done. */
  clearFolders(input: MigrateVmInput): Promise<void>;
  /** Powers the plan's original off, where that was consented to, and renames it. Throws NotOurs for another VM. */
  setOriginalAside(input: MigrateVmInput): Promise<void>;
  /** Gives the original its name back, and its power. Throws VmMoved when the new VM is in production. */
  restoreOriginal(input: MigrateVmInput): Promise<{ readonly standsAs: string | undefined }>;
  /** Deletes an original that is set aside. Throws NotOurs for any other VM, or one whose files others use. */
  removeOriginal(input: MigrateVmInput): Promise<void>;
  proveArrival(input: ProveArrivalInput): Promise<ArrivalProof>;
  /** Takes the session's marks off a VM that has left it. Throws NotOurs while any of its files is still here. */
  handOverVm(input: RunningVmInput): Promise<HandOverResult>;
  vaultInit(input: VaultInitInput): Promise<VaultInitResult>;
  vaultList(input: VaultListInput): Promise<VaultListResult>;
  backup(input: BackupInput): Promise<BackupResult>;
  siteInfo(input: SiteInfoInput): Promise<SiteInfo>;
  targetInfo(input: TargetInfoInput): Promise<TargetInfo>;
}

/** Signal by which a long Activity tells its Workflow how far it is. Rare: each one is kept in the history. */
export const REPORT_SIGNAL = 'report';
export type SessionReport =
  | ({ readonly kind: 'keep' } & KeepProgress)
  | ({ readonly kind: 'verify' } & Pick<VerifyStatus, 'checkedBytes' | 'totalBytes' | 'findings'>)
  | {
      readonly kind: 'migration';
      readonly percent: number;
      readonly bytesPerSecond: number | undefined;
      readonly leftMs: number | undefined;
    }
  /** Sessions whose migrations come before. */
  | { readonly kind: 'turn'; readonly waitsFor: readonly string[] }
  /** A copy runs at the target: whoever undoes the finalize has to end it. */
  | { readonly kind: 'copyTask'; readonly task: string }
  | { readonly kind: 'note'; readonly level: LogEntry['level']; readonly message: string };
export type BackupReport = BackupProgress;
