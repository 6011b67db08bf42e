// What a site does for changes on a production datastore, one step each, idempotent as all steps are.
import type { RunningVmInput, TargetStepInput } from './placement.ts';

/** None of these does anything where the session's changes go to the gateway. */
export interface ChangesActivities {
  /** Makes the folder of changes this session's. NameTaken where it is somebody else's. */
  claimChangesFolder(input: TargetStepInput): Promise<void>;
  /** Returns when every disk of the VM goes on in the folder of changes. Throws NotSupported where one does not. */
  redirectChanges(input: RunningVmInput): Promise<void>;
  /** Deletes the folder with all that is in it, where it is this session's. NotOurs while a VM stands on it. */
  removeChangesFolder(input: TargetStepInput): Promise<void>;
}
