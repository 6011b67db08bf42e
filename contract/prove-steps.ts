// What a site can be asked to do for a proof, beside the steps of its sessions. A step that tries things answers a
// row for each, whatever the host says; it throws only where nobody can tell (the target is away, the worker died),
// and is not tried again: its round is cleared and begun anew. The steps that clear are idempotent.
import type { Placement, SessionSource, TargetStepInput } from './placement.ts';
import type { ProveInput, ProveRow } from './prove.ts';
import type { Target } from './target.ts';

export interface ProveDatastore {
  readonly moref: string;
  readonly name: string;
  /** `VMFS`, `vsan`, `NFS`, … */
  readonly type: string;
}
/** What is known of the target before anything is touched. */
export interface ProveGround {
  readonly product: string;
  readonly apiVersion: string;
  readonly isVirtualCenter: boolean;
  readonly datastore: ProveDatastore | undefined;
  /** Of `licence`. */
  readonly rows: readonly ProveRow[];
}

export interface ProveBackupInput {
  readonly proveId: string;
}
export interface ProveStepInput extends TargetStepInput {
  readonly moref: string;
}
/** A step that works on the production datastore, too. */
export interface ProveProductionInput extends TargetStepInput {
  readonly datastore: ProveDatastore;
}
export interface ClearProveInput {
  readonly sessionId: string;
  readonly target: Target;
  readonly host: Placement['host'];
  readonly datastore: ProveDatastore | undefined;
}

export interface ProveActivities {
  /** Licence, kind and version of the target; the production datastore, if one is named. Throws PreflightFailed. */
  openProve(input: ProveInput): Promise<ProveGround>;
  /** Backs the tiny VM up into a vault of the proof's own, in the site's state folder. */
  makeProveBackup(input: ProveBackupInput): Promise<SessionSource>;
  removeProveBackup(input: ProveBackupInput): Promise<void>;
  /** mountArrives, mountAgain. */
  proveMount(input: TargetStepInput): Promise<readonly ProveRow[]>;
  /** reconfigure, isolate. */
  proveConfiguration(input: ProveStepInput): Promise<readonly ProveRow[]>;
  /** powerOn to filesBeside. */
  provePower(input: ProveStepInput): Promise<readonly ProveRow[]>;
  /** screenshot to resume. */
  proveRunning(input: ProveStepInput): Promise<readonly ProveRow[]>;
  /** snapshot to consolidate. */
  proveSnapshot(input: ProveStepInput): Promise<readonly ProveRow[]>;
  /** The round `outage`, from a VM that is powered on. */
  proveOutage(input: ProveProductionInput & { readonly moref: string }): Promise<readonly ProveRow[]>;
  /** The round `changes`, from a VM that is published and mounted. */
  proveChanges(input: ProveProductionInput): Promise<readonly ProveRow[]>;
  /** The round `live`, from a VM that is registered. */
  proveLive(input: ProveProductionInput & { readonly moref: string }): Promise<readonly ProveRow[]>;
  /** The round `cold`, from a VM that is registered. */
  proveCold(input: ProveProductionInput & { readonly moref: string }): Promise<readonly ProveRow[]>;
  /** Whatever a round made on the target beside its mount: VMs, files in production, the network. None is done. */
  clearProve(input: ClearProveInput): Promise<void>;
}
