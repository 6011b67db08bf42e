// `rundirect vault list`: the backup sets and jobs of a vault. Needs no passphrase: names, times and sizes are
// not sealed.
import type { Command } from 'commander';
import type { BackupSetSummary, JobSummary, VaultListResult } from '../../contract/index.ts';
import type { Act } from '../act.ts';
import { backupSetName, siteOption, vaultOption } from '../options/arguments.ts';
import { formatBytes, formatTime } from '../quantity.ts';
import { askSite } from '../temporal/site-workflow.ts';
import { type Column, printable, table } from '../views/table.ts';

interface Options {
  readonly vault: string;
  readonly site: string;
  readonly set?: string;
}

interface Row {
  readonly set: BackupSetSummary;
  readonly job: JobSummary;
}

const disksOf = ({ job }: Row): readonly { sizeBytes: number }[] => job.vms.flatMap((vm) => vm.disks);

/** `delta`; `delta, kept from web01-k3v9q2m4xa` for a session's changes. */
const kindOf = ({ kind, keptFrom }: JobSummary): string =>
  keptFrom === undefined ? kind : `${kind}, kept from ${keptFrom.sessionId}`;

const columns: readonly Column<Row>[] = [
  { title: 'SET', value: ({ set }) => set.name },
  { title: 'JOB', value: ({ job }) => job.jobId },
  { title: 'KIND', value: ({ job }) => kindOf(job) },
  { title: 'WHEN', value: ({ job }) => formatTime(new Date(job.createdAt)) },
  { title: 'VMS', value: ({ job }) => job.vms.map((vm) => vm.name).join(', ') },
  { title: 'DISKS', align: 'right', value: (row) => String(disksOf(row).length) },
  {
    title: 'SIZE',
    align: 'right',
    value: (row) => formatBytes(disksOf(row).reduce((sum, disk) => sum + disk.sizeBytes, 0)),
  },
  { title: 'STORED', align: 'right', value: ({ job }) => formatBytes(job.storedBytes) },
];

/** What of the sets can't be read, a line for each. */
export function damageIn(listing: VaultListResult): string[] {
  return listing.backupSets.flatMap(({ name, damaged = [] }) =>
    damaged.map((what) => printable(`damaged in set ${name}: ${what}`)),
  );
}

/** The listing as a table, a line for each job; oldest first within its set. */
export function vaultTable(listing: VaultListResult): string {
  const rows = listing.backupSets.flatMap((set) => set.jobs.map((job) => ({ set, job })));
  if (rows.length > 0) return table(columns, rows);
  const [only, ...others] = listing.backupSets;
  const where = only === undefined || others.length > 0 ? '' : ` in set ${only.name}`;
  return damageIn(listing).length > 0
    ? `The vault ${listing.vault} holds no backup${where} that can be read.`
    : `The vault ${listing.vault} holds no backups${where} yet.`;
}

export function addVaultList(vault: Command, act: Act): void {
  vault
    .command('list')
    .summary('list backup sets and jobs')
    .description('Lists the backup sets of a vault and their jobs, oldest first. Needs no passphrase.')
    .addOption(vaultOption())
    .option('--set <name>', 'only this backup set', backupSetName)
    .addOption(siteOption())
    .addHelpText('after', '\nExample:\n  $ rundirect vault list --vault /backups/vault --set nightly')
    .action(
      act(async (context, { vault: location, site, set }: Options) => {
        const input = { site, vault: location, ...(set === undefined ? {} : { backupSet: set }) };
        const listing = await askSite(await context.temporal(), 'vaultList', input, context.waiting);
        context.terminal.document(listing);
        context.terminal.print(vaultTable(listing));
        for (const damage of damageIn(listing)) context.terminal.note(damage);
        return undefined;
      }),
    );
}
