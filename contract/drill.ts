// A drill: VMs are run from their backup in a network of the drill's own, looked at, timed and discarded. Here are
// its names, its input and its report; JSON-safe throughout.
//
// Names. A drill is called NAME. One that is run once has the Workflow Id `drill:NAME`; a schedule `drill:NAME`
// starts `drill:NAME-2026-11-23T03:00:00Z`, where Temporal appends the time. The drill's id, NAME or
// NAME-20261123t030000z, names its report, its network and its sessions (`drill-ID-vm1`). So whoever sees a
// Workflow Id knows which drill it belongs to, and a site needs to trust no input for that.
import { z } from 'zod';
import { backupSetNameSchema, MAX_RESERVE_FACTOR, MIN_RESERVE_FACTOR, siteNameSchema } from './names.ts';
import { sealedSecretSchema } from './secret.ts';
import type { LogEntry, SessionStatus } from './session.ts';
import { targetSchema } from './target.ts';
import { vaultLocationSchema } from './vault.ts';

const STAMP = String.raw`\d{8}t\d{6}z`;
const NAME = '[a-z0-9][a-z0-9-]{0,19}';
const endsInStamp = new RegExp(`-${STAMP}$`);
const workflowIdForm = new RegExp(`^drill:(${NAME}?)(?:-(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ))?$`);
const sessionIdForm = new RegExp(`^drill-(${NAME}?)(-${STAMP})?-vm[1-9]\\d?$`);

export const MAX_DRILL_VMS = 32;

/** Short enough for a session's id with the time and the VM's number in it. */
export const drillNameSchema = z
  .string()
  .regex(new RegExp(`^${NAME}$`), 'a drill is named with up to 20 of a-z, 0-9 and -, not starting with -')
  .refine((name) => !endsInStamp.test(name), "a drill's name does not end in a time; schedules append that");
export const drillIdSchema = z
  .string()
  .regex(new RegExp(`^${NAME}(-${STAMP})?$`), "a drill's id is its name, with a time if a schedule ran it");

export interface DrillIdentity {
  readonly name: string;
  readonly drillId: string;
}

/** Makes a name for a drill that is run once, from a VM's name and 10 random letters of a-z0-9. */
export function drillNameFor(vmName: string, random: string): string {
  const slug = vmName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 9)
    .replace(/^-+|-+$/g, '');
  return drillNameSchema.parse(`${slug === '' ? 'vm' : slug}-${random}`);
}

/** Workflow Id of a drill that is run once, and id of the schedule that runs it again and again. */
export const drillWorkflowId = (name: string): string => `drill:${name}`;

/** The drill that a Workflow of this id is, if it is one. */
export function drillOfWorkflow(workflowId: string): DrillIdentity | undefined {
  const match = workflowIdForm.exec(workflowId);
  const [name, time] = [match?.[1], match?.[2]];
  if (name === undefined || endsInStamp.test(name)) return undefined;
  return { name, drillId: time === undefined ? name : `${name}-${time.replace(/[-:]/g, '').toLowerCase()}` };
}

/** The drill that a session of this id belongs to, if it belongs to one. */
export function drillOfSession(sessionId: string): DrillIdentity | undefined {
  const match = sessionIdForm.exec(sessionId);
  const [name, stamp = ''] = [match?.[1], match?.[2]];
  return name === undefined || endsInStamp.test(name) ? undefined : { name, drillId: `${name}${stamp}` };
}

/** @param place counts a drill's VMs from 1. */
export const drillSessionId = (drillId: string, place: number): string => `drill-${drillId}-vm${place}`;

/** The port group that all NICs of a drill's VMs go to; at most 80 characters, vSphere's limit. */
export const drillPortGroup = (drillId: string): string => `rundirect-drill-${drillId}`;

export const reportFolderSchema = z
  .string()
  .startsWith('/', 'a report folder is absolute, as the site sees it')
  .max(1024);

export const drillInputSchema = z.object({
  name: drillNameSchema,
  site: siteNameSchema,
  source: z.object({
    vault: vaultLocationSchema,
    backupSet: backupSetNameSchema,
    /** A job's id, or the newest one at the time of the drill. */
    jobId: z.string().min(1),
    passphrase: sealedSecretSchema,
  }),
  /** One after another, in this order. */
  vms: z
    .array(z.object({ name: z.string().min(1).max(255) }))
    .min(1)
    .max(MAX_DRILL_VMS),
  target: targetSchema,
  placement: z.object({
    host: z.string().min(1).optional(),
    folder: z.string().min(1).optional(),
    resourcePool: z.string().min(1).optional(),
  }),
  /** From a VM's start to its guest's heartbeat, milliseconds; without it every guest that comes up has passed. */
  rtoMs: z.number().int().min(1).max(3_600_000).optional(),
  guestTimeoutMs: z.number().int().min(1).max(3_600_000),
  reserveFactor: z.number().min(MIN_RESERVE_FACTOR).max(MAX_RESERVE_FACTOR),
  /** Where the report goes, instead of the site's state folder: one folder per drill in it. */
  reportFolder: reportFolderSchema.optional(),
  stepTimeoutMs: z.number().int().min(100).max(3_600_000).optional(),
});
export type DrillInput = z.infer<typeof drillInputSchema>;

export const drillPictureSchema = z.object({
  /** In the report's folder. */
  file: z.string(),
  sha256: z.string(),
  sizeBytes: z.number(),
});
export type DrillPicture = z.infer<typeof drillPictureSchema>;

/** Milliseconds count from the start of the VM's session. */
export const drillVmReportSchema = z.object({
  vmName: z.string(),
  sessionId: z.string(),
  verdict: z.enum(['passed', 'failed', 'notRun']),
  /** Why it failed, or was not run. */
  reason: z.string().optional(),
  commandedAt: z.iso.datetime().optional(),
  jobId: z.string().optional(),
  poweredOnMs: z.number().optional(),
  guestReadyMs: z.number().optional(),
  /** Everything of it was gone. */
  removedMs: z.number().optional(),
  picture: drillPictureSchema.optional(),
  /** What a reader should know beside the verdict. */
  notes: z.array(z.string()),
});
export type DrillVmReport = z.infer<typeof drillVmReportSchema>;

export const drillReportSchema = z.object({
  version: z.literal(1),
  drillId: drillIdSchema,
  name: drillNameSchema,
  verdict: z.enum(['passed', 'failed']),
  /** Why the drill as a whole failed; a VM's own reason stands with the VM. */
  reason: z.string().optional(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  site: z.string(),
  target: z.string(),
  host: z.string().optional(),
  vault: z.string(),
  backupSet: z.string(),
  portGroup: z.string(),
  rtoMs: z.number().optional(),
  vms: z.array(drillVmReportSchema),
  /** What could not be removed, in words; empty when nothing of the drill is left. */
  leftBehind: z.array(z.string()),
});
export type DrillReport = z.infer<typeof drillReportSchema>;

/** A report that was written: where, as the site sees it. */
export interface DrillReportFiles {
  readonly folder: string;
  readonly html: string;
  readonly json: string;
}
export interface DrillResult {
  readonly report: DrillReport;
  readonly files: DrillReportFiles;
}

export interface DrillStatus {
  readonly drillId: string;
  readonly state: 'running' | 'cleaning' | 'passed' | 'failed' | 'cancelled';
  readonly step: string;
  readonly vms: readonly DrillVmReport[];
  /** The newest last; at most `MAX_LOG_ENTRIES`. */
  readonly log: readonly LogEntry[];
}
/** Query of a drill. */
export const DrillMessage = { status: 'status' } as const;

/** Signal by which a session tells the Workflow that started it what has become of it. */
export const SESSION_NEWS_SIGNAL = 'sessionNews';
export type SessionNews = Pick<
  SessionStatus,
  'sessionId' | 'state' | 'jobId' | 'guest' | 'powerState' | 'vm' | 'timings'
> & {
  /** Its migration waits for its turn. */
  readonly waitsForTurn?: boolean;
};

/** An answer that Temporal carries whatever the drills are like. */
export const MAX_LISTED_DRILLS = 50;

export const drillReportsInputSchema = z.object({
  site: siteNameSchema,
  reportFolder: reportFolderSchema.optional(),
  limit: z.number().int().min(1).max(MAX_LISTED_DRILLS),
});
export type DrillReportsInput = z.infer<typeof drillReportsInputSchema>;
export interface DrillReportsResult {
  /** The newest first. */
  readonly drills: readonly DrillResult[];
  /** Reports that can't be read, in words. */
  readonly damaged: readonly string[];
}

export const drillReportInputSchema = z.object({
  site: siteNameSchema,
  reportFolder: reportFolderSchema.optional(),
  drillId: drillIdSchema,
});
export type DrillReportInput = z.infer<typeof drillReportInputSchema>;
