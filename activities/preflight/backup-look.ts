// The backup's part of preflight: key, job and VM are there, the chain is whole in size, and the VM asks for no
// hardware that can't come along.
import { LATEST_JOB, type OriginMark, type StartInput } from '../../contract/index.ts';
import type { BackupSet, VmAtJob } from '../../vault/index.ts';
import {
  cardsOf,
  disksOf,
  hardwareFindings,
  type NetworkCard,
  parseDescriptor,
  parseVmx,
  uuidsOf,
} from '../../vm-folder/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { unlockSource } from '../source.ts';
import type { Step } from '../step.ts';
import type { Findings } from './findings.ts';

export interface BackupLook {
  readonly jobId: string;
  readonly vmName: string;
  readonly provisionedBytes: number;
  readonly disks: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly cards: readonly NetworkCard[];
  /** Where its disks hang: `scsi0:0`. */
  readonly nodes: readonly { readonly node: string; readonly file: string; readonly sizeBytes: number }[];
  readonly origin: OriginMark;
}

export interface BackupLookOptions {
  /** The backup set, where it is open already. */
  readonly unlocked?: BackupSet | undefined;
  /** `asDisksAlone`: no VM is made of it, so what of its hardware can't come along is nobody's matter. */
  readonly restored?: 'asVm' | 'asDisksAlone';
}

export async function lookAtBackup(
  deps: Pick<ActivityDeps, 'vaults' | 'siteKey'>,
  { source }: Pick<StartInput, 'source'>,
  step: Step,
  found: Findings,
  { unlocked, restored = 'asVm' }: BackupLookOptions = {},
): Promise<BackupLook | undefined> {
  return found.look(async () => {
    const set = unlocked ?? (await unlockSource(deps, source, step));
    const vm = await set.openVm(source.jobId, source.vmName);
    if (source.jobId === LATEST_JOB) warnOfKeptJob(vm, found);
    try {
      return {
        jobId: vm.jobId,
        vmName: vm.vmName,
        provisionedBytes: vm.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        disks: vm.disks,
        ...lookAtFiles(vm, restored, found),
      };
    } finally {
      await vm.close();
    }
  });
}

/** Whoever asks for the newest backup may not know that somebody kept a session since. */
function warnOfKeptJob({ jobId, keptFrom }: Pick<VmAtJob, 'jobId' | 'keptFrom'>, found: Findings): void {
  if (keptFrom === undefined) return;
  found.warning(
    'KeptJob',
    `The newest job, ${jobId}, was kept from session ${keptFrom.sessionId} as it was at ${keptFrom.at}: it is no ` +
      'backup of the VM in production. Name another one with --job (rundirect vault list)',
  );
}

function lookAtFiles(
  { files, jobId, vmName, disks }: Pick<VmAtJob, 'files' | 'jobId' | 'vmName' | 'disks'>,
  restored: NonNullable<BackupLookOptions['restored']>,
  found: Findings,
): Pick<BackupLook, 'cards' | 'nodes' | 'origin'> {
  const vmxFile = files.find(({ name }) => name.toLowerCase().endsWith('.vmx'));
  if (vmxFile === undefined) {
    found.error('ChainBroken', `Job ${jobId} holds no .vmx of ${vmName}. Start from another job`);
    return { cards: [], nodes: [], origin: { name: vmName, uuid: undefined, instanceUuid: undefined } };
  }
  const vmx = parseVmx(vmxFile.bytes, vmxFile.name);
  const descriptors = new Map(
    files
      .filter(({ name }) => name.toLowerCase().endsWith('.vmdk'))
      .map(({ name, bytes }) => [name, parseDescriptor(bytes, name)] as const),
  );
  const hardware = restored === 'asVm' ? hardwareFindings(vmx, descriptors) : [];
  for (const { severity, code, message } of hardware) found[severity](code, message);
  const sizes = new Map(disks.map(({ name, sizeBytes }) => [name, sizeBytes]));
  return {
    cards: cardsOf(vmx),
    nodes: disksOf(vmx).map(({ device, diskName }) => ({
      node: device,
      file: diskName,
      sizeBytes: sizes.get(diskName) ?? 0,
    })),
    origin: { name: vmName, ...uuidsOf(vmx) },
  };
}
