// What Workflows that ended without an end of their own (terminated, lost with Temporal's database) have left at a site,
// and what removes it. A gateway makes a session's export before anything is done at a host, and drops it after all else
// is gone: so its exports are the index of all that may have been left. JSON-safe throughout.
import { z } from 'zod';
import type { Placement, SessionExport } from './placement.ts';
import { startInputSchema } from './session.ts';
import { type Target, targetSchema } from './target.ts';
import type { VmSighting } from './vm-standing.ts';

const { sessionId, site, commandedAtMs, source } = startInputSchema.shape;

export interface OrphansInput {
  readonly site: string;
}

/** How the Workflow ended that an export belongs to; `unknown` where Temporal does not know it. */
export type WorkflowEnd =
  | 'terminated'
  | 'timedOut'
  | 'failed'
  | 'cancelled'
  | 'completed'
  /** Deleted, past its retention, or gone with Temporal's database. */
  | 'unknown';

/** An export that no open Workflow answers for. */
export interface Orphan {
  /** Of the export: a session's, a browse's, or that of a proof's round. */
  readonly sessionId: string;
  /** As the target shows the VM. */
  readonly vm: string;
  readonly source: { readonly vault: string; readonly backupSet: string; readonly jobId: string };
  /** `host:port/user`; where Temporal does not know it any more, the gateway's own name of the target. */
  readonly target: string;
  /** When it was published, ISO 8601, UTC. */
  readonly since: string;
  /** What its changes take at the gateway. */
  readonly changesBytes: number;
  readonly ended: WorkflowEnd;
  /** Of the Workflow that ended; undefined where Temporal does not know it. */
  readonly workflowType: string | undefined;
  /** The last one that it told: `finalizing` left more than a session that ran; undefined where that is not known. */
  readonly state: string | undefined;
  /** Its VM was half way to production: at the gateway are changes that its guest made, and perhaps its memory. */
  readonly fenced: boolean;
  /** A browse: no host has it. */
  readonly readOnly: boolean;
}

export interface OrphansResult {
  /** The oldest first. */
  readonly orphans: readonly Orphan[];
}

/** Argument of `cleanUp`, whose Workflow Id is the one of the Workflow that ended. */
export const cleanUpInputSchema = z.object({
  sessionId,
  site,
  commandedAtMs,
  source: source.omit({ passphrase: true }),
  /** Absent for a browse, which no host has. */
  target: targetSchema.optional(),
  /** A guest that still runs is powered off, hard. */
  powerOff: z.boolean(),
});
export type CleanUpInput = z.infer<typeof cleanUpInputSchema>;

export interface TracesInput {
  readonly sessionId: string;
  readonly target: Target | undefined;
}

/** A VM that carries the session's mark, or lies at its path. */
export interface TracedVm extends VmSighting {
  readonly moref: string;
  readonly name: string;
}

/** Why a VM is not taken out of the inventory where nobody said that it may be powered off. */
export const guestRunsWords = ({ name, moref }: Pick<TracedVm, 'name' | 'moref'>): string =>
  `${name} (${moref}) runs, and its guest may be writing: all that it wrote since the start would be lost`;

export interface Traces {
  /** As the steps of a session's end take it; its host counts where it is among `hosts`. Undefined: nothing to look at. */
  readonly place: { readonly placement: Placement; readonly exported: SessionExport } | undefined;
  /** Those that have the session's datastore, or may have it; and whether it has a lease there. */
  readonly hosts: readonly (Placement['host'] & { readonly leased: boolean })[];
  readonly vms: readonly TracedVm[];
}

export interface CleanUpActivities {
  /** Reads; changes nothing. */
  findOrphans(input: OrphansInput): Promise<OrphansResult>;
  /** None where the gateway has dropped the export. Throws NotOurs for another target than the export is for. */
  lookForTraces(input: TracesInput): Promise<Traces>;
}
