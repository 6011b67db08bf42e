// What the steps of a session are told about it: where it comes from, where it goes, how hosts reach it.
import type { CardPlan, OriginMark, ProductionFolder } from './location.ts';
import type { StartInput } from './session.ts';
import type { Target } from './target.ts';

/** Where a session's VM goes on its target: found once by preflight, the same for every later step. */
export interface Placement {
  /** Names the mount path at the gateway: one per target. */
  readonly targetId: string;
  readonly host: { readonly moref: string; readonly name: string };
  /** Morefs. */
  readonly folder: string;
  readonly resourcePool: string;
  /** Name of the gateway's datastore on the host. */
  readonly datastore: string;
  /** The VM's name in the inventory. */
  readonly vmName: string;
  /** Addresses that may mount the export. */
  readonly allow: readonly string[];
  /** Cards that are to be elsewhere than the backup says. */
  readonly cards?: readonly CardPlan[] | undefined;
  /** What the original is recognised by; absent in sessions that were started before it was kept. */
  readonly origin?: OriginMark | undefined;
  /** Where the VM's disks of changes lie; absent where its changes go to the gateway. */
  readonly changes?: ProductionFolder | undefined;
  /** Folders on other datastores where disks of it lie; only of a VM as it is seen in production. */
  readonly apart?: readonly ProductionFolder[] | undefined;
}

export type SessionSource = StartInput['source'];

/** How hosts reach what was published; paths are relative to the datastore's root. */
export interface SessionExport {
  readonly remoteHost: string;
  readonly remotePath: string;
  readonly vmxPath: string;
}

/** A step that touches the target. */
export interface TargetStepInput {
  readonly sessionId: string;
  readonly target: Target;
  readonly placement: Placement;
  readonly exported: SessionExport;
}
export interface RunningVmInput extends TargetStepInput {
  readonly moref: string;
}
