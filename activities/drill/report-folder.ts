// Where a drill's report lies at the site: `DRILLS/DRILL-ID/` with report.json, report.html and a picture for each
// VM. DRILLS is in the site's state folder unless the drill named another one.
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drillIdSchema, reportFolderSchema } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { parsed } from '../parsed.ts';

export const REPORT_JSON = 'report.json';
export const REPORT_HTML = 'report.html';
/** A console of 4K as PNG has a few megabytes at most. */
export const MAX_PICTURE_BYTES = 32 << 20;

type Deps = Pick<ActivityDeps, 'drillReports'>;

/** The folder that holds the reports, one folder for each drill. Throws InvalidInput. */
export function reportsFolder({ drillReports }: Deps, reportFolder: string | undefined): string {
  return reportFolder === undefined ? drillReports : parsed(reportFolderSchema, reportFolder);
}

export interface ReportPlace {
  readonly drillId: string;
  readonly reportFolder: string | undefined;
}

/** Throws InvalidInput for an id that is no drill's: it becomes a path. */
export function reportFolderOf(deps: Deps, { drillId, reportFolder }: ReportPlace): string {
  return join(reportsFolder(deps, reportFolder), parsed(drillIdSchema, drillId));
}

/** Makes it where it is missing, and answers its path. */
export async function makeReportFolder(deps: Deps, place: ReportPlace): Promise<string> {
  const folder = reportFolderOf(deps, place);
  try {
    await mkdir(folder, { recursive: true });
    return folder;
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** A reader finds the old file or the new one, whole. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeFile(temporary, content, { flush: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw unwritable(path, error);
  }
}

const permanent: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR']);

function unwritable(path: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const type = permanent.has(code) ? 'InvalidInput' : code === 'ENOSPC' ? 'StorageFull' : 'Unexpected';
  return failureFor(
    type,
    `The drill's report can't be written to ${path} at the site (${String(code ?? error)}). ` +
      "Give the worker's user a folder that it may write to",
  );
}
