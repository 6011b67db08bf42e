// What the console of a drill's VM shows, as a PNG in the report's folder. A later attempt takes a later picture.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { DrillPicture, DrillPictureInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { failureFor } from '../failures.ts';
import type { Step } from '../step.ts';
import { withTarget } from '../target.ts';
import { hasMark } from '../vm-standing.ts';
import { assertOwnDrill } from './own-drill.ts';
import { MAX_PICTURE_BYTES, makeReportFolder, writeWhole } from './report-folder.ts';

export async function takeDrillPicture(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'drillReports'>,
  input: DrillPictureInput,
  step: Step,
): Promise<DrillPicture> {
  const { drillId, sessionId, target, moref } = input;
  assertOwnDrill(step, drillId, sessionId);
  const folder = await makeReportFolder(deps, input);
  const { signal } = step;
  const bytes = await withTarget(deps, step, target, async (vsphere) => {
    const vm = await vsphere.readVm(moref, { signal });
    if (vm === undefined || !hasMark(vm, sessionId)) {
      throw failureFor('NotOurs', `${moref} is not the VM of ${sessionId}, so no picture of it is taken`);
    }
    return vsphere.screenshot(moref, { signal });
  });
  if (bytes.byteLength > MAX_PICTURE_BYTES) {
    throw failureFor(
      'NotSupported',
      `the picture has ${bytes.byteLength} bytes, and may have ${MAX_PICTURE_BYTES}`,
    );
  }
  const file = `${sessionId}.png`;
  await writeWhole(join(folder, file), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { file, sha256, sizeBytes: bytes.byteLength };
}
