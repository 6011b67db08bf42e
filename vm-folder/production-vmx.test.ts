import { expect, it } from 'vitest';
import { parentOf, parseDescriptor, parseVmx, productionVmx, STATE_KEY, withParent } from './index.ts';

const VMX = `.encoding = "UTF-8"
displayName = "web01"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "web01-000001.vmdk"
scsi0:1.present = "TRUE"
scsi0:1.fileName = "/vmfs/volumes/other/data.vmdk"
workingDir = "/vmfs/volumes/nas/s"
sched.swap.derivedName = "/vmfs/volumes/nas/s/web01-1.vswp"
nvram = "web01.nvram"
rundirect.session = "s"
checkpoint.vmState = "web01-7.vmss"
`;

it('leads disks and saved state elsewhere, and lets the host choose anew what is its own', () => {
  const disk = (name: string) =>
    name === 'web01-000001.vmdk' ? '/vmfs/volumes/nas/s/web01-000001.vmdk' : undefined;
  const text = productionVmx(parseVmx(Buffer.from(VMX)), disk, '/vmfs/volumes/nas/s/web01-7.vmss');
  const vmx = parseVmx(Buffer.from(text));
  expect(vmx.get('scsi0:0.fileName')).toBe('/vmfs/volumes/nas/s/web01-000001.vmdk');
  expect(vmx.get('scsi0:1.fileName')).toBe('/vmfs/volumes/other/data.vmdk');
  expect(vmx.get(STATE_KEY)).toBe('/vmfs/volumes/nas/s/web01-7.vmss');
  expect([vmx.get('workingDir'), vmx.get('sched.swap.derivedName')]).toEqual([undefined, undefined]);
  expect([vmx.get('nvram'), vmx.get('rundirect.session')]).toEqual(['web01.nvram', 's']);
  const off = productionVmx(parseVmx(Buffer.from(VMX)), disk, undefined);
  expect(off).not.toContain(STATE_KEY);
});

it('says nothing of where the VM was, where it keeps its UUID', () => {
  const keeping = `${VMX}uuid.bios = "56 4d 01"\nuuid.location = "56 4d 02"\nuuid.action = "keep"\n`;
  const place = (text: string, state?: string): string | undefined =>
    parseVmx(Buffer.from(productionVmx(parseVmx(Buffer.from(text)), () => undefined, state))).get(
      'uuid.location',
    );
  expect(place(keeping)).toBeUndefined();
  const renewing = keeping.replace('"keep"', '"create"');
  expect(place(renewing)).toBe('56 4d 02');
  for (const text of [keeping, renewing]) {
    expect(place(text, '/vmfs/volumes/nas/s/web01-7.vmss')).toBeUndefined();
  }
  expect(place(keeping.replace(/uuid.bios.*\n/, ''))).toBe('56 4d 02');
});

const DELTA = `# Disk DescriptorFile
version=1
CID=0badcafe
parentCID=fffffffe
createType="vmfsSparse"
parentFileNameHint="web01.vmdk"
# Extent description
RW 8192 VMFSSPARSE "web01-000001-delta.vmdk"
`;

it('sets a disk of changes on another parent, and back, byte for byte', () => {
  const delta = parseDescriptor(Buffer.from(DELTA), 'web01-000001.vmdk');
  expect(parentOf(delta)).toEqual({ cid: 'fffffffe', hint: 'web01.vmdk' });
  const link = { cid: '12345678', hint: '/vmfs/volumes/pr$&od/web01/web01.vmdk' };
  const moved = parseDescriptor(Buffer.from(withParent(delta, link)), 'web01-000001.vmdk');
  expect(parentOf(moved)).toEqual(link);
  expect([moved.cid, moved.extents]).toEqual([delta.cid, delta.extents]);
  expect(withParent(moved, { cid: 'fffffffe', hint: 'web01.vmdk' })).toBe(DELTA);
  const alone = DELTA.replace('fffffffe', 'ffffffff').replace(/parentFileNameHint.*\n/, '');
  expect(parentOf(parseDescriptor(Buffer.from(alone), 'web01.vmdk'))).toBeUndefined();
});
