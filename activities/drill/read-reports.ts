// The reports of a site's drills, read from their folders: they outlive what Temporal keeps.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DrillReportInput,
  type DrillReportsInput,
  type DrillReportsResult,
  type DrillResult,
  drillIdSchema,
  drillReportInputSchema,
  drillReportSchema,
  drillReportsInputSchema,
} from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import { parsed } from '../parsed.ts';
import { REPORT_HTML, REPORT_JSON, reportFolderOf, reportsFolder } from './report-folder.ts';

type Deps = Pick<ActivityDeps, 'drillReports'>;

/** The newest first; a drill that has no report (yet) is not among them. */
export async function drillReports(deps: Deps, raw: DrillReportsInput): Promise<DrillReportsResult> {
  const { reportFolder, limit } = parsed(drillReportsInputSchema, raw);
  const drills: DrillResult[] = [];
  const damaged: string[] = [];
  for (const drillId of await drillIds(reportsFolder(deps, reportFolder))) {
    try {
      const result = await readReport(reportFolderOf(deps, { drillId, reportFolder }));
      if (result !== undefined) drills.push(result);
    } catch (error) {
      damaged.push(`${drillId}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const newest = drills.sort((a, b) => b.report.startedAt.localeCompare(a.report.startedAt)).slice(0, limit);
  return { drills: newest, damaged };
}

export async function drillReport(deps: Deps, raw: DrillReportInput): Promise<DrillResult> {
  const { drillId, reportFolder } = parsed(drillReportInputSchema, raw);
  const folder = reportFolderOf(deps, { drillId, reportFolder });
  const result = await readReport(folder);
  if (result !== undefined) return result;
  throw failureFor(
    'ReportNotFound',
    `There is no report of drill ${drillId} in ${folder} at the site. It may still run, or have written elsewhere`,
  );
}

/** Folders that are named like a drill; none where there is no folder of reports yet. */
async function drillIds(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isDirectory() && drillIdSchema.safeParse(entry.name).success)
    .map(({ name }) => name);
}

async function readReport(folder: string): Promise<DrillResult | undefined> {
  const json = join(folder, REPORT_JSON);
  const text = await readFile(json, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const report = drillReportSchema.safeParse(parsedJson(text));
  if (!report.success)
    throw failureFor('FormatUnsupported', `${json} at the site is no report of this version`);
  return { report: report.data, files: { folder, html: join(folder, REPORT_HTML), json } };
}

/** Undefined for what is none: a file that was cut off, or somebody else's. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
