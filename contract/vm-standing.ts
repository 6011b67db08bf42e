// Whose a session's VM is, as a look at the target says it.
import type { HostQuestion } from './question.ts';
import type { SessionStatus } from './session.ts';

/**
 * Whose a VM is now. `ours`: moref, mark and every disk are the session's. `moved`: it lives on other
 * datastores altogether. `crossing`: the session has taken it half way to production, where it stands on its changes
 * here. `partlyMoved`: some of it still lies on ours. `gone`: it is not in the inventory.
 */
export type VmStanding = 'ours' | 'moved' | 'crossing' | 'partlyMoved' | 'gone';
export interface VmSighting {
  readonly standing: VmStanding;
  readonly powerState: SessionStatus['powerState'];
  /** Where it lies and what is odd about it, in words; for people. */
  readonly detail: string;
  /** How a person settles what is odd, where that is known; in words. */
  readonly wayOut?: string | undefined;
  /** What the host asks about it; absent where it asks nothing. */
  readonly question?: HostQuestion | undefined;
}
