// One backup job: the folders of powered-off VMs go into the vault. The job exists whole or not at all; a
// cancelled or failed backup leaves the earlier jobs as they were.

import { defineQuery, defineSignal, log, setCurrentDetails, setHandler } from '@temporalio/workflow';
import {
  type BackupInput,
  BackupMessage,
  type BackupProgress,
  type BackupReport,
  type BackupResult,
  REPORT_SIGNAL,
} from '../contract/index.ts';
import { backupSteps } from './activities-of.ts';
import { endWith } from './failure.ts';

const progressQuery = defineQuery<BackupProgress>(BackupMessage.progress);
const reportSignal = defineSignal<[BackupReport]>(REPORT_SIGNAL);

/** Query `progress`; see contract/vault.ts. */
export async function backup(input: BackupInput): Promise<BackupResult> {
  let progress: BackupProgress = {
    phase: 'waiting',
    vmName: '',
    diskName: '',
    doneBytes: 0,
    totalBytes: 0,
    storedBytes: 0,
  };
  const tell = (next: BackupProgress): void => {
    progress = next;
    setCurrentDetails(detailsOf(next));
  };
  setHandler(progressQuery, () => progress);
  setHandler(reportSignal, tell);
  try {
    const result = await backupSteps(input.site).backup(input).catch(endWith('backup'));
    tell({ ...progress, phase: 'done', doneBytes: progress.totalBytes, storedBytes: result.storedBytes });
    for (const warning of result.warnings) log.warn(warning, { backupSet: input.backupSet });
    setCurrentDetails(detailsOf(progress, result.warnings));
    return result;
  } catch (error) {
    tell({ ...progress, phase: 'failed' });
    throw error;
  }
}

/** Markdown for Temporal's web page. */
function detailsOf(
  { phase, vmName, diskName, doneBytes, totalBytes }: BackupProgress,
  warnings: readonly string[] = [],
): string {
  const percent = totalBytes === 0 ? '' : ` · ${Math.floor((100 * doneBytes) / totalBytes)} %`;
  const what = diskName === '' ? '' : ` · ${code(`${vmName}/${diskName}`)}`;
  const rows = [`**${phase}**${percent}${what}`, ...warnings.map((text) => `**warning** ${code(text)}`)];
  return `${rows.join('\n\n')}\n`;
}

/** What came from outside stands in a code span, so that it stays text. */
const code = (text: string): string => `\`${text.replaceAll('`', "'")}\``;
