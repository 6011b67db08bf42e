// Writes the report of a drill that is over: JSON for scripts, and one HTML file for people with the pictures in it.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DrillPicture,
  type DrillReportFiles,
  drillReportSchema,
  type WriteDrillReportInput,
} from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { parsed } from '../parsed.ts';
import type { Step } from '../step.ts';
import { assertOwnDrill } from './own-drill.ts';
import { makeReportFolder, REPORT_HTML, REPORT_JSON, writeWhole } from './report-folder.ts';
import { reportHtml } from './report-html.ts';

export async function writeDrillReport(
  deps: Pick<ActivityDeps, 'drillReports'>,
  input: WriteDrillReportInput,
  step: Step,
): Promise<DrillReportFiles> {
  const { drillId } = input;
  assertOwnDrill(step, drillId);
  const report = parsed(drillReportSchema, input.report);
  const folder = await makeReportFolder(deps, input);
  const pictures = new Map<string, Uint8Array>();
  for (const { picture } of report.vms) {
    const bytes = picture === undefined ? undefined : await readPicture(folder, picture);
    if (picture !== undefined && bytes !== undefined) pictures.set(picture.file, bytes);
  }
  const files = { folder, html: join(folder, REPORT_HTML), json: join(folder, REPORT_JSON) };
  await writeWhole(files.html, reportHtml(report, pictures));
  // Last: a drill whose JSON is there has a whole report.
  await writeWhole(files.json, `${JSON.stringify(report, undefined, 2)}\n`);
  return files;
}

/** Undefined when somebody removed or changed it: the report says so, and stands without it. */
async function readPicture(folder: string, { file, sha256 }: DrillPicture): Promise<Uint8Array | undefined> {
  if (!/^[a-z0-9-]+\.png$/.test(file)) return undefined;
  const bytes = await readFile(join(folder, file)).catch(() => undefined);
  if (bytes === undefined) return undefined;
  return createHash('sha256').update(bytes).digest('hex') === sha256 ? bytes : undefined;
}
