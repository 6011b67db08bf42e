// What the parts of a session's Workflow share.
import type {
  Placement,
  RunningVm,
  SessionExport,
  SessionStatus,
  StartInput,
  StopResult,
} from '../contract/index.ts';
import type { SessionRecord } from './session-record.ts';

export interface Session {
  readonly input: StartInput;
  readonly record: SessionRecord;
}

/** What the end of a session needs of it, whichever Workflow brings it about. */
export interface EndingSession {
  readonly input: Pick<StartInput, 'sessionId' | 'site' | 'target'>;
  readonly record: SessionRecord;
}

/** All that is known of a session that runs: enough to stop it, on any worker, in any later run. */
export interface RunningSession {
  readonly jobId: string;
  readonly placement: Placement;
  readonly exported: SessionExport;
  readonly vm: RunningVm;
}

/** Where a session is. */
export type SessionPlace = Pick<RunningSession, 'placement' | 'exported'>;

/** The Workflow's argument. `resumed` is what an earlier run of a long session hands to the next one. */
export type RunDirectInput = StartInput & {
  readonly resumed?: { readonly status: SessionStatus; readonly running: RunningSession };
};

export type RunDirect = (argument: RunDirectInput) => Promise<StopResult>;

/** What every step that touches the target is told. */
export function targetStep({ input }: Pick<EndingSession, 'input'>, { placement, exported }: SessionPlace) {
  return { sessionId: input.sessionId, target: input.target, placement, exported };
}

export function runningVmStep(session: Session, running: RunningSession) {
  return { ...targetStep(session, running), moref: running.vm.moref };
}
