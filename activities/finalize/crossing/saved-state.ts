// What a suspended guest takes beside its VM: the host writes its memory there.
import type { TargetStepInput } from '../../../contract/index.ts';
import { parseVmx } from '../../../vm-folder/index.ts';
import type { Vsphere } from '../../../vsphere/index.ts';
import type { Step } from '../../step.ts';
import { sessionFolder, vmxNameOf } from './place.ts';

/** What a saved state holds beside the guest's memory: video memory, devices. */
const STATE_OVERHEAD_BYTES = 64 * 2 ** 20;

/** Undefined where the .vmx does not say. */
export async function savedStateBytes(
  vsphere: Vsphere,
  input: TargetStepInput,
  { signal }: Step,
): Promise<number | undefined> {
  const path = `${sessionFolder(input)}/${vmxNameOf(input)}`;
  const memoryMiB = Number(parseVmx(await vsphere.downloadFile(path, { signal }), path).get('memsize'));
  return Number.isFinite(memoryMiB) ? memoryMiB * 2 ** 20 + STATE_OVERHEAD_BYTES : undefined;
}
