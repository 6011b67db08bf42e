// What a site can be asked to do for a keep.
import type { KeepResult } from './keep.ts';
import type { RunningVmInput } from './placement.ts';

export interface KeepSessionInput extends RunningVmInput {
  readonly keepId: string;
}

export interface KeepActivities {
  /** Throws VmMoved and NotOurs where the VM does not run from here, NotSupported where it has snapshots. */
  keepSession(input: KeepSessionInput): Promise<KeepResult>;
}
