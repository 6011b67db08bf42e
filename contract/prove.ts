// A proof: each thing that Run Direct asks of a host is tried on that host, with a tiny VM of the proof's own, and
// told in a row: held, refused in the host's words, or skipped and why. Names, input and result; JSON-safe.
//
// Names. A proof has the Workflow Id `prove-` and ten random letters, which is its id. It tries things in rounds;
// each round is a session of its own, `prove-abcdefghij-outage-1`, so that the steps of sessions are used as they
// are, and a round that was broken off is begun anew with the next number and nothing of the old one. The VM is
// called `rundirect-` and the session's id, and so is all that a round makes on a production datastore.
import { z } from 'zod';
import { siteNameSchema } from './names.ts';
import type { LogEntry } from './session.ts';
import { targetSchema } from './target.ts';

const ID = 'prove-[a-z0-9]{10}';
export const proveRounds = ['run', 'outage', 'changes', 'live', 'cold'] as const;
export type ProveRound = (typeof proveRounds)[number];
const sessionIdForm = new RegExp(`^(${ID})-(?:${proveRounds.join('|')})-[1-9]$`);

export const proveIdSchema = z
  .string()
  .regex(new RegExp(`^${ID}$`), "a proof's id is prove- and ten letters");
/** @param random 10 letters of a-z0-9. */
export const proveIdFor = (random: string): string => proveIdSchema.parse(`prove-${random}`);
/** @param attempt counts from 1, to 9 at most. */
export const proveSessionId = (proveId: string, round: ProveRound, attempt: number): string =>
  `${proveId}-${round}-${attempt}`;
/** The proof whose round a session is, if it is one. */
export const proveOfSession = (sessionId: string): string | undefined => sessionIdForm.exec(sessionId)?.[1];
export const proveVmName = (sessionId: string): string => `rundirect-${sessionId}`;

export const proveInputSchema = z.object({
  proveId: proveIdSchema,
  site: siteNameSchema,
  target: targetSchema,
  placement: z.object({
    host: z.string().min(1).optional(),
    folder: z.string().min(1).optional(),
    resourcePool: z.string().min(1).optional(),
  }),
  /** Name of the production datastore that finalize would take VMs to; without it that is not tried. */
  datastore: z.string().min(1).max(80).optional(),
});
export type ProveInput = z.infer<typeof proveInputSchema>;

/** What can be relied on when all that it needs has held, in the words of docs/compatibility.md. */
export const proveFeatures = {
  run: 'run a VM from its backup',
  stop: 'stop it without a trace',
  drill: 'drill',
  live: 'finalize live',
  shortOutage: 'finalize with a short outage',
  coldRelocate: 'finalize cold, through a vCenter',
  coldCopy: 'finalize cold, by a copy',
  changes: 'changes on a production datastore',
} as const;
export type ProveFeature = keyof typeof proveFeatures;

interface Primitive {
  readonly round: 'look' | ProveRound;
  readonly title: string;
  /** None: worth knowing, and nothing depends on it. */
  readonly neededFor: readonly ProveFeature[];
}

/** All that is tried, in its order. Keys are stable, for scripts and for docs/compatibility.md. */
export const provePrimitives = {
  licence: { round: 'look', title: 'the licence allows changes', neededFor: ['run', 'stop'] },
  publish: { round: 'run', title: 'a backup is published at the gateway', neededFor: ['run'] },
  mount: { round: 'run', title: 'CreateNasDatastore', neededFor: ['run'] },
  mountArrives: { round: 'run', title: "the host's MOUNT arrives at the gateway", neededFor: [] },
  mountAgain: { round: 'run', title: 'a second CreateNasDatastore finds the first', neededFor: ['run'] },
  register: { round: 'run', title: 'RegisterVM; disks and mark read back', neededFor: ['run'] },
  reconfigure: {
    round: 'run',
    title: 'extraConfig and annotation are set and taken off',
    neededFor: ['live', 'shortOutage', 'coldRelocate', 'coldCopy'],
  },
  isolate: { round: 'run', title: 'port group without uplink, a NIC moved to it', neededFor: ['drill'] },
  powerOn: { round: 'run', title: 'PowerOnVM', neededFor: ['run'] },
  noQuestion: { round: 'run', title: 'uuid.action keeps the moved-or-copied question away', neededFor: [] },
  guestWrites: { round: 'run', title: 'the guest boots, and its writes arrive', neededFor: ['run'] },
  fileSync: { round: 'run', title: 'the host writes FILE_SYNC', neededFor: [] },
  filesBeside: { round: 'run', title: 'what the host writes beside the disk', neededFor: [] },
  screenshot: { round: 'run', title: 'screenshot', neededFor: ['drill'] },
  unmountInUse: { round: 'run', title: 'RemoveDatastore is refused while the VM runs', neededFor: ['stop'] },
  suspend: { round: 'run', title: 'SuspendVM', neededFor: ['shortOutage'] },
  resume: { round: 'run', title: 'resume', neededFor: ['shortOutage'] },
  snapshot: { round: 'run', title: 'CreateSnapshotEx; the child is read back', neededFor: ['shortOutage'] },
  childKind: { round: 'run', title: "the kind of the child's file", neededFor: [] },
  consolidate: {
    round: 'run',
    title: 'RemoveAllSnapshots merges while the VM runs',
    neededFor: ['shortOutage'],
  },
  powerOff: { round: 'run', title: 'PowerOffVM', neededFor: ['stop'] },
  unregister: { round: 'run', title: 'UnregisterVM', neededFor: ['stop'] },
  unmount: { round: 'run', title: 'RemoveDatastore', neededFor: ['stop'] },
  dropExport: { round: 'run', title: 'the export is dropped', neededFor: ['stop'] },
  copyDisk: {
    round: 'outage',
    title: 'CopyVirtualDisk of a frozen base while the VM runs',
    neededFor: ['shortOutage', 'coldCopy'],
  },
  copySpec: {
    round: 'outage',
    title: 'the copy is thin and lsilogic, as asked',
    neededFor: ['shortOutage', 'coldCopy'],
  },
  resumeElsewhere: {
    round: 'outage',
    title: 'a suspended state resumes from an absolute checkpoint.vmState',
    neededFor: ['shortOutage'],
  },
  parentHint: {
    round: 'outage',
    title: 'a delta opens on an absolute parentFileNameHint',
    neededFor: ['shortOutage'],
  },
  consolidateThere: {
    round: 'outage',
    title: 'the delta merges into production while the VM runs',
    neededFor: ['shortOutage'],
  },
  resumedOnce: {
    round: 'outage',
    title: 'the guest was not booted anew, by its own count',
    neededFor: ['shortOutage'],
  },
  redoElsewhere: {
    round: 'changes',
    title: 'snapshot.redoNotWithParent puts the delta into workingDir',
    neededFor: ['changes'],
  },
  runOnRedo: { round: 'changes', title: 'PowerOnVM with that delta', neededFor: ['changes'] },
  checkRelocate: { round: 'live', title: 'CheckRelocate finds nothing against it', neededFor: ['live'] },
  relocateLive: { round: 'live', title: 'RelocateVM while the VM runs', neededFor: ['live'] },
  ranThrough: {
    round: 'live',
    title: 'the guest was not booted anew, by its own count',
    neededFor: [],
  },
  relocateCold: {
    round: 'cold',
    title: 'RelocateVM of a VM that is powered off',
    neededFor: ['coldRelocate'],
  },
} as const satisfies Record<string, Primitive>;
export type ProvePrimitive = keyof typeof provePrimitives;

export const primitivesOf = (round: Primitive['round']): readonly ProvePrimitive[] =>
  (Object.keys(provePrimitives) as ProvePrimitive[]).filter((each) => provePrimitives[each].round === round);

export interface ProveRow {
  readonly primitive: ProvePrimitive;
  readonly outcome: 'held' | 'refused' | 'skipped';
  /** What was seen; the host's words; why it was not tried. */
  readonly detail: string;
  /** How long it took; undefined where it was not tried. */
  readonly ms?: number | undefined;
}

/** `unproven`: nothing that it needs was refused, and something was not tried. */
export type ProveVerdict = 'holds' | 'refused' | 'unproven';

export function proveVerdict(rows: readonly ProveRow[], feature: ProveFeature): ProveVerdict {
  const outcomes = (Object.keys(provePrimitives) as ProvePrimitive[])
    .filter((each) => (provePrimitives[each].neededFor as readonly ProveFeature[]).includes(feature))
    .map((each) => rows.find(({ primitive }) => primitive === each)?.outcome ?? 'skipped');
  if (outcomes.includes('refused')) return 'refused';
  return outcomes.includes('skipped') ? 'unproven' : 'holds';
}

export interface ProveResult {
  readonly proveId: string;
  /** `host:port/user`. */
  readonly target: string;
  /** What the target says that it is: `VMware ESXi 8.0.3 build-24022510`. */
  readonly product: string;
  readonly apiVersion: string;
  readonly host: string;
  readonly datastore?: string | undefined;
  readonly rows: readonly ProveRow[];
  readonly features: Readonly<Record<ProveFeature, ProveVerdict>>;
  /** Run holds, and nothing that stop needs was refused: some of that is not tried beside other sessions. */
  readonly holds: boolean;
  /** What could not be removed, in words. */
  readonly leftBehind: readonly string[];
  readonly durationMs: number;
}

/** Answer of the Query `status`. */
export interface ProveStatus {
  readonly proveId: string;
  readonly state: 'running' | 'cleaning' | 'done' | 'failed' | 'cancelled';
  readonly step: string;
  readonly rows: readonly ProveRow[];
  readonly log: readonly LogEntry[];
}
export const ProveMessage = { status: 'status' } as const;
