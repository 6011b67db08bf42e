// Copies the disk from the export to its place beside the VM's files. It will hang on a SCSI, SATA or NVMe controller
// whatever it hung on before, so its descriptor says what those read: lsiLogic.
import type { RestoreDiskStepInput } from '../../contract/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { copyFromExport } from '../restore/copy-restore-disk.ts';
import type { Step } from '../step.ts';
import { pathOf } from './disk-file.ts';

const ADAPTER_TYPE = 'lsilogic';

export async function copyDiskToVm(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: RestoreDiskStepInput,
  step: Step,
): Promise<void> {
  const { disk, file } = input;
  await copyFromExport(deps, input, { disk, destination: pathOf(file), adapterType: ADAPTER_TYPE }, step);
}
