// What a site can be asked to do for a batch, beside the steps of its sessions. Each acts for the batch whose Workflow
// called it, and for its sessions alone.
import type { BatchInput, BatchVmState } from './batch.ts';
import type { FinalizeRequest } from './finalize.ts';
import type { SessionStatus, StopRequest } from './session.ts';

type Failure = NonNullable<SessionStatus['failure']>;

export interface BatchPreflightResult {
  /** In the order of the input. */
  readonly vms: readonly {
    readonly sessionId: string;
    /** The job that `latest` stood for, where it was found. */
    readonly jobId: string | undefined;
    /** Why this VM can't be started. */
    readonly failure: Failure | undefined;
  }[];
}

/** What a session is asked for, by the Update of that name. */
export type BatchOrder =
  | { readonly kind: 'stop'; readonly request: StopRequest }
  | { readonly kind: 'finalize'; readonly request: FinalizeRequest }
  | { readonly kind: 'cancelFinalize' };

export interface AskSessionInput {
  readonly batchId: string;
  readonly sessionId: string;
  /** The same order twice is one order. */
  readonly orderId: string;
  readonly order: BatchOrder;
}
export interface AwaitSessionInput {
  readonly batchId: string;
  readonly sessionId: string;
}
/** How a session came to its end. */
export interface SessionEnding {
  readonly state: BatchVmState;
  readonly failure: Failure | undefined;
}

export interface BatchActivities {
  /**
   * Looks at everything that all VMs need, and at the room for the changes of all together. Fails where none can be
   * started; else says of each VM whether it can. Touches nothing.
   */
  preflightBatch(input: BatchInput): Promise<BatchPreflightResult>;
  /** Returns when the session has done it, or has ended; fails with what it refuses or failed with. */
  askSession(input: AskSessionInput): Promise<void>;
  /** Returns when the session's Workflow has ended, in whatever way. */
  awaitSession(input: AwaitSessionInput): Promise<SessionEnding>;
}
