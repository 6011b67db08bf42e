import { expect, it } from 'vitest';
import { parentOf, parseDescriptor, parseVmx, productionVmx, STATE_KEY, withParent } from './index.ts';

const VMX = `.encoding = "UTF-8"
displayName = "web01"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "web01-000001.vmdk"
scsi0:1.present = "TRUE"
scsi0:1.fileName = "/vmfs/volumes/other/data.vmdk"
workingDir = "/vmfs/volumes/nas/s"
snapshot.redoNotWithParent = "TRUE"
sched.swap.derivedName = "/vmfs/volumes/nas/s/web01-1.vswp"
nvram = "web01.nvram"
rundirect.session = "s"
checkpoint.vmState = "web01-7.vmss"
`;

it('leads disks and saved state elsewhere, and lets the host choose anew what is its own', () => {
  const diskFile = (name: string) =>
    name === 'web01-000001.vmdk' ? '/vmfs/volumes/nas/s/web01-000001.vmdk' : undefined;
  const produce = (stateFile: string | undefined) =>
    productionVmx(parseVmx(Buffer.from(VMX)), { diskFile, stateFile, originUuid: undefined });
  const vmx = parseVmx(Buffer.from(produce('/vmfs/volumes/nas/s/web01-7.vmss')));
  expect(vmx.get('scsi0:0.fileName')).toBe('/vmfs/volumes/nas/s/web01-000001.vmdk');
  expect(vmx.get('scsi0:1.fileName')).toBe('/vmfs/volumes/other/data.vmdk');
  expect(vmx.get(STATE_KEY)).toBe('/vmfs/volumes/nas/s/web01-7.vmss');
  expect([vmx.get('workingDir'), vmx.get('sched.swap.derivedName')]).toEqual([undefined, undefined]);
  expect(vmx.get('snapshot.redoNotWithParent')).toBeUndefined();
  expect([vmx.get('nvram'), vmx.get('rundirect.session')]).toEqual(['web01.nvram', 's']);
  expect(produce(undefined)).not.toContain(STATE_KEY);
});

const UUID = '56 4d 00 01 02 03 04 05-06 07 08 09 0a 0b 0c 0d';
const API_UUID = '564d0001-0203-0405-0607-08090a0b0c0d';
const STATE = '/vmfs/volumes/nas/s/web01-7.vmss';

it.each([
  ['keeps its UUID', 'keep', UUID, undefined, API_UUID, undefined],
  ['keeps its UUID, whoever it was', 'keep', UUID, undefined, undefined, undefined],
  ['is suspended, with a new UUID', 'create', UUID, STATE, undefined, undefined],
  ['has its new UUID', 'create', UUID, undefined, API_UUID.replace('564d', 'ffff'), undefined],
  ['is to get a new UUID still', 'create', UUID, undefined, API_UUID, '56 4d 02'],
  ['may be to get a new UUID still', 'create', UUID, undefined, undefined, '56 4d 02'],
  ['has no UUID', 'keep', undefined, undefined, API_UUID, '56 4d 02'],
])(
  'says where a VM was only as long as its UUID is open: one that %s',
  (_, action, uuid, stateFile, originUuid, location) => {
    const lines = [`uuid.action = "${action}"`, 'uuid.location = "56 4d 02"'];
    const vmx = parseVmx(
      Buffer.from(`${VMX}${[...lines, ...(uuid ? [`uuid.bios = "${uuid}"`] : [])].join('\n')}\n`),
    );
    const made = parseVmx(
      Buffer.from(productionVmx(vmx, { diskFile: () => undefined, stateFile, originUuid })),
    );
    expect(made.get('uuid.location')).toBe(location);
    expect(made.get('uuid.action')).toBe(location === undefined ? 'keep' : action);
    expect(made.get('uuid.bios')).toBe(uuid);
  },
);

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
