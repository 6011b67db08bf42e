// Names that client, workers and Temporal must agree on, and the forms that names typed by people may take.
import { z } from 'zod';

/** Task Queue of the Workflows; every worker that runs Workflows listens here. */
export const WORKFLOW_TASK_QUEUE = 'rundirect';

/** Task Queue of the Activities of one site. */
export const siteTaskQueue = (site: string): string => `site-${site}`;

/** The Datastore that a site's gateway is mounted as. At most 42 characters, the limit of a datastore's name. */
export const datastoreName = (site: string): string => `rundirect-${site}`;

/** Workflow Types, as Temporal's web UI shows them. */
export const WorkflowType = {
  runDirect: 'runDirect',
  batch: 'batch',
  restore: 'restore',
  restoreDisk: 'restoreDisk',
  browse: 'browse',
  cleanUp: 'cleanUp',
  orphans: 'orphans',
  vaultInit: 'vaultInit',
  vaultList: 'vaultList',
  backup: 'backup',
  drill: 'drill',
  drillReports: 'drillReports',
  drillReport: 'drillReport',
  prove: 'prove',
  siteInfo: 'siteInfo',
  targetInfo: 'targetInfo',
} as const;

/** Typed search attributes, all Keyword; a worker registers them at start where it may. */
export const SearchAttribute = {
  vm: 'RunDirectVm',
  state: 'RunDirectState',
  site: 'RunDirectSite',
  target: 'RunDirectTarget',
  backupSet: 'RunDirectBackupSet',
} as const;

/** vSphere's limit. */
export const MAX_VM_NAME_CHARACTERS = 80;
/** Whatever vSphere takes as a VM's name; a line break in it would be one in every log and list. */
export const vmNameSchema = z
  .string()
  .min(1)
  .max(MAX_VM_NAME_CHARACTERS)
  .regex(/^\P{Cc}*$/u, 'a name has no line breaks and no other control characters');
/** Space for changes, as a multiple of the provisioned size. */
export const MIN_RESERVE_FACTOR = 0.01;
export const MAX_RESERVE_FACTOR = 10;

export const siteNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'a site is named with up to 31 of a-z, 0-9 and -, not starting with -');

/** A session's id is its Workflow Id, its directory on the datastore and its mark in the .vmx. */
export const sessionIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,47}$/, 'a session id has up to 48 of a-z, 0-9 and -');

/** A backup set is a folder of the vault, so its name is a plain file name. */
export const backupSetNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'a backup set is named with up to 63 of A-Z, a-z, 0-9, . _ and -',
  );

/** Makes a session's id from the VM's name and random letters (of a-z0-9; the caller brings the randomness). */
export function sessionIdFor(vmName: string, random: string): string {
  const slug = vmName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 32)
    .replace(/-+$/, '');
  return sessionIdSchema.parse(`${slug === '' ? 'vm' : slug}-${random}`);
}
