// What of a VM can't come along when it is run from its backup: an error where it would not start or not be the
// same machine, a warning where a person should know.
import type { HardwareFinding } from './types.ts';
import type { VmdkDescriptor } from './vmdk-descriptor.ts';
import type { Vmx } from './vmx.ts';
import { disksOf, mediaOf, otherDisksOf } from './vmx-devices.ts';

const PCI_PASSTHROUGH = /^(pcipassthru\d+)\.present$/;

/** `descriptors` by disk name, as far as they are at hand: a mapping or a snapshot shows there alone. */
export function hardwareFindings(
  vmx: Vmx,
  descriptors: ReadonlyMap<string, VmdkDescriptor> = new Map(),
): HardwareFinding[] {
  return [
    ...diskFindings(vmx, descriptors),
    ...otherDiskFindings(vmx),
    ...deviceFindings(vmx),
    ...mediaFindings(vmx),
  ];
}

/** Disks on what is no controller of disks: persistent memory (`nvdimm0:0`), and whatever hosts think of next. */
function otherDiskFindings(vmx: Vmx): HardwareFinding[] {
  return otherDisksOf(vmx).map(({ device, fileName }) => ({
    severity: 'error',
    code: 'OtherDisk',
    message: `${fileName} is on ${device}, which is no SCSI, SATA, IDE or NVMe disk: it is not in the backup. Copy what it holds to such a disk, and remove it.`,
  }));
}

function diskFindings(vmx: Vmx, descriptors: ReadonlyMap<string, VmdkDescriptor>): HardwareFinding[] {
  const findings: HardwareFinding[] = [];
  const disks = disksOf(vmx);
  if (disks.length === 0) {
    findings.push({
      severity: 'warning',
      code: 'NoDisk',
      message: 'The VM has no disk: there is nothing of it but its settings.',
    });
  }
  for (const { device, diskName } of disks) {
    const descriptor = descriptors.get(diskName);
    const type = vmx.get(`${device}.deviceType`)?.toLowerCase() ?? '';
    if (type.includes('rdm') || descriptor?.isRawDeviceMapping === true) {
      findings.push({
        severity: 'error',
        code: 'RawDeviceMapping',
        message: `Disk ${diskName} (${device}) is a raw device mapping: its data is on the array and not in the backup. Detach it, or make it a virtual disk.`,
      });
    }
    if (descriptor?.hasParent === true) {
      findings.push({
        severity: 'error',
        code: 'HasSnapshots',
        message: `Disk ${diskName} (${device}) is the difference to a snapshot. Consolidate the VM's disks.`,
      });
    }
    if (vmx.get(`${device}.mode`)?.toLowerCase().startsWith('independent') === true) {
      findings.push({
        severity: 'warning',
        code: 'IndependentDisk',
        message: `Disk ${diskName} (${device}) is independent: snapshots leave it out, so changes can't be kept beside it on a production datastore.`,
      });
    }
  }
  return findings;
}

function deviceFindings(vmx: Vmx): HardwareFinding[] {
  const findings: HardwareFinding[] = [];
  for (const [key] of vmx.entries()) {
    const device = PCI_PASSTHROUGH.exec(key)?.[1];
    if (device === undefined || !vmx.isTrue(key)) continue;
    findings.push({
      severity: 'error',
      code: 'PciPassthrough',
      message: `The VM uses a PCI device of its host (${device}), which another host does not have. Remove the device from the VM.`,
    });
  }
  if (vmx.isTrue('vtpm.present')) {
    findings.push({
      severity: 'error',
      code: 'VirtualTpm',
      message:
        'The VM has a virtual TPM: its secrets are bound to the key provider of its vCenter. ' +
        'Back it up again without the virtual TPM.',
    });
  }
  if (isEncrypted(vmx)) {
    findings.push({
      severity: 'error',
      code: 'EncryptedVm',
      message: 'The VM is encrypted by vSphere: without the key of its key provider it does not open.',
    });
  }
  return findings;
}

export function isEncrypted(vmx: Vmx): boolean {
  return vmx.get('encryption.keySafe') !== undefined || vmx.get('encryption.data') !== undefined;
}

function mediaFindings(vmx: Vmx): HardwareFinding[] {
  return mediaOf(vmx).map(({ device, fileName }) => ({
    severity: 'warning',
    code: 'RemovableMedia',
    message: `${device} holds ${fileName}, which is not in the backup: the drive starts empty.`,
  }));
}
