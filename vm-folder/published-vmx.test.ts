import { describe, expect, it } from 'vitest';
import { hardwareFindings } from './hardware-findings.ts';
import { renewedMac } from './mac-addresses.ts';
import { publishedVmx } from './published-vmx.ts';
import type { PublishOptions } from './types.ts';
import { parseVmx } from './vmx.ts';
import { cardsOf, disksOf, uuidsOf } from './vmx-devices.ts';

const ORIGINAL = `.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "19"
displayName = "ledger"
nvram = "ledger.nvram"
annotation = "books|0Aof 2026"
uuid.bios = "56 4d 11 22 33 44 55 66-77 88 99 aa bb cc dd ee"
vc.uuid = "50 11 22 33 44 55 66 77-88 99 aa bb cc dd ee ff"
scsi0.virtualDev = "pvscsi"
scsi0.present = "TRUE"
scsi0:0.present = "TRUE"
scsi0:0.deviceType = "scsi-hardDisk"
scsi0:0.fileName = "ledger.vmdk"
scsi0:1.present = "TRUE"
scsi0:1.fileName = "/vmfs/volumes/fast/ledger/ledger.vmdk"
scsi0:2.present = "TRUE"
scsi0:2.fileName = "[slow tier] archive/Ledger-2.vmdk"
scsi0:3.present = "FALSE"
scsi0:3.fileName = "gone.vmdk"
sata0:0.present = "TRUE"
sata0:0.deviceType = "cdrom-image"
sata0:0.fileName = "/vmfs/volumes/iso/installer.iso"
floppy0.present = "TRUE"
floppy0.fileName = "/vmfs/volumes/iso/driver.flp"
serial0.present = "TRUE"
serial0.fileName = "/vmfs/volumes/fast/ledger/console.log"
ethernet0.present = "TRUE"
ethernet0.addressType = "vpx"
ethernet0.generatedAddress = "00:50:56:AB:01:02"
ethernet0.networkName = "VM Network"
ethernet1.present = "TRUE"
ethernet1.addressType = "static"
ethernet1.address = "00:50:56:00:00:09"
ethernet1.dvs.switchId = "50 0a 11"
ethernet1.dvs.portgroupId = "dvportgroup-7"
ethernet1.dvs.portId = "12"
ethernet1.dvs.connectionId = "99"
workingDir = "/vmfs/volumes/fast/ledger"
sched.swap.derivedName = "/vmfs/volumes/fast/ledger/ledger-5.vswp"
extendedConfigFile = "ledger.vmxf"
checkpoint.vmState = ""
guestinfo.path = "/vmfs/volumes/is/prose"
`;
const vmx = parseVmx(Buffer.from(ORIGINAL));
const published = (network: PublishOptions['network'], identity: Pick<PublishOptions, 'mac' | 'uuid'> = {}) =>
  parseVmx(
    Buffer.from(
      publishedVmx(vmx, { sessionId: 'ledger-x1', displayName: 'ledger (test)', network, ...identity }),
    ),
  );

describe('the published .vmx', () => {
  it('has every NIC on the port group that is asked for, and no tie to another switch', () => {
    const isolated = published({ portGroup: 'alone' });
    expect(cardsOf(isolated).map(({ network }) => network)).toEqual(['alone', 'alone']);
    expect(isolated.get('ethernet1.networkName')).toBe('alone');
    expect([...isolated.entries()].filter(([key]) => key.includes('dvs'))).toEqual([]);
    expect(cardsOf(isolated).map(({ mac }) => mac)).toEqual(cardsOf(vmx).map(({ mac }) => mac));
    expect(published('original').get('ethernet1.dvs.portId')).toBe('12');
  });

  it('has only plain names for its disks, and no two alike', () => {
    const names = disksOf(vmx).map(({ diskName }) => diskName);
    expect(names).toEqual(['ledger.vmdk', 'ledger-2.vmdk', 'Ledger-2-2.vmdk']);
    expect(
      ['scsi0:0', 'scsi0:1', 'scsi0:2'].map((device) => published('original').get(`${device}.fileName`)),
    ).toEqual(names);
  });

  it('names its disks the same when it is published again from its own text', () => {
    expect(disksOf(published('original')).map(({ diskName }) => diskName)).toEqual(
      disksOf(vmx).map(({ diskName }) => diskName),
    );
  });

  it('has no absolute path left but prose', () => {
    const absolute = [...published('original').entries()].filter(([, value]) => /^\/|^\[.*\] /.test(value));
    expect(absolute).toEqual([['guestinfo.path', '/vmfs/volumes/is/prose']]);
  });

  it('carries the mark, the name and the answer to "moved or copied"', () => {
    const result = published('original');
    expect(result.get('rundirect.session')).toBe('ledger-x1');
    expect(result.get('displayName')).toBe('ledger (test)');
    expect(result.get('uuid.action')).toBe('keep');
    expect(result.get('annotation')).toBe(
      'books\nof 2026\n[Run Direct session ledger-x1: this VM runs from its backup]',
    );
  });

  it('has disks of changes go where that is asked for, and nowhere else', () => {
    const options = { sessionId: 's', displayName: 'd', network: 'original' } as const;
    const changesDirectory = '/vmfs/volumes/vmfs02/rundirect-s';
    const result = parseVmx(Buffer.from(publishedVmx(vmx, { ...options, changesDirectory })));
    expect(result.get('workingDir')).toBe(changesDirectory);
    expect(result.isTrue('snapshot.redoNotWithParent')).toBe(true);
    const plain = published('original');
    expect([plain.get('workingDir'), plain.get('snapshot.redoNotWithParent')]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('names a disk by its path where that is said to lie elsewhere', () => {
    const options = { sessionId: 's', displayName: 'd', network: 'original' } as const;
    const plain = disksOf(vmx);
    const [moved] = plain;
    const there = `/vmfs/volumes/fast/d/${moved?.diskName ?? ''}`;
    const disksElsewhere = { [moved?.diskName ?? '']: there };
    const result = disksOf(parseVmx(Buffer.from(publishedVmx(vmx, { ...options, disksElsewhere }))));
    expect(result.map(({ fileName }) => fileName)).toEqual([
      there,
      ...plain.slice(1).map(({ diskName }) => diskName),
    ]);
  });

  it('empties drives, and unplugs cards only when asked to', () => {
    const result = published('disconnected');
    expect(result.get('sata0:0.startConnected')).toBe('FALSE');
    expect(result.get('sata0:0.deviceType')).toBe('cdrom-raw');
    expect(result.get('floppy0.startConnected')).toBe('FALSE');
    expect(result.get('ethernet0.startConnected')).toBe('FALSE');
    expect(published('original').get('ethernet0.startConnected')).toBeUndefined();
    expect(result.get('serial0.fileName')).toBe('console.log');
  });

  it('gets new MAC addresses where that is asked for, the same each time, of the range for static ones', () => {
    const renewed = published('original', { mac: 'renew' });
    const addresses = cardsOf(renewed).map(({ mac }) => mac);
    expect(addresses).toEqual([renewedMac('ledger-x1', 'ethernet0'), renewedMac('ledger-x1', 'ethernet1')]);
    expect(addresses[0]).toMatch(/^00:50:56:[0-3][0-9a-f](:[0-9a-f]{2}){2}$/);
    expect(new Set([...addresses, renewedMac('ledger-x2', 'ethernet0')]).size).toBe(3);
    expect(renewed.get('ethernet0.addressType')).toBe('static');
    expect(renewed.get('ethernet0.generatedAddress')).toBeUndefined();
    expect(renewed.get('uuid.action')).toBe('keep');
  });

  it('has the host make new UUIDs where that is asked for, and keeps its MAC addresses all the same', () => {
    const renewed = published('original', { uuid: 'renew' });
    expect(renewed.get('uuid.action')).toBe('create');
    expect(renewed.get('vc.uuid')).toBeUndefined();
    expect(cardsOf(renewed).map(({ mac }) => mac)).toEqual(cardsOf(vmx).map(({ mac }) => mac));
    // Outside the range that a host takes for static ones, so the host is told not to mind.
    expect(renewed.get('ethernet0.checkMACAddress')).toBe('FALSE');
    expect(renewed.get('ethernet1.checkMACAddress')).toBeUndefined();
  });

  it('knows what the VM is known by, as the API writes it', () => {
    expect(uuidsOf(vmx)).toEqual({
      uuid: '564d1122-3344-5566-7788-99aabbccddee',
      instanceUuid: '50112233-4455-6677-8899-aabbccddeeff',
    });
    expect(uuidsOf(vmx.with({ 'uuid.bios': undefined, 'vc.uuid': 'none' }))).toEqual({
      uuid: undefined,
      instanceUuid: undefined,
    });
  });

  it('keeps no path that leads out of its directory, and every name in it', () => {
    const odd = parseVmx(
      Buffer.from(
        'serial0.fileName = "../other/console.log"\nserial1.fileName = "logs/../../x.log"\n' +
          'some.file = "../x"\nnvram = "[test] web.nvram"\nsata0:1.present = "TRUE"\n' +
          'sata0:1.fileName = "[test] web.vmdk"\n',
      ),
    );
    const options = { sessionId: 's', displayName: 'd', network: 'original' } as const;
    const result = parseVmx(Buffer.from(publishedVmx(odd, options)));
    expect(result.get('serial0.fileName')).toBe('console.log');
    expect(result.get('serial1.fileName')).toBe('x.log');
    expect(result.get('some.file')).toBeUndefined();
    expect(result.get('nvram')).toBe('[test] web.nvram');
    expect(result.get('sata0:1.fileName')).toBe('[test] web.vmdk');
  });

  it('leaves every other line as it was, in its order', () => {
    const changed = /displayName|annotation|fileName|deviceType|workingDir|swap|extended|checkpoint/;
    const kept = ORIGINAL.split('\n').filter((line) => !changed.test(line));
    const lines = publishedVmx(vmx, { sessionId: 's', displayName: 'd', network: 'original' }).split('\n');
    expect(lines.filter((line) => kept.includes(line))).toEqual(kept);
  });

  it('knows the addresses and networks of its cards', () => {
    expect(cardsOf(vmx)).toEqual([
      { node: 'ethernet0', mac: '00:50:56:ab:01:02', network: 'VM Network' },
      { node: 'ethernet1', mac: '00:50:56:00:00:09', network: undefined },
    ]);
  });
});

describe('hardware findings', () => {
  const DISK = 'ide1:1.present = "TRUE"\nide1:1.fileName = "a.vmdk"\n';
  const codesOf = (text: string) =>
    hardwareFindings(parseVmx(Buffer.from(DISK + text))).map(({ code, severity }) => `${severity} ${code}`);

  it('names what the fixture has', () => {
    expect(codesOf(ORIGINAL)).toEqual(['warning RemovableMedia', 'warning RemovableMedia']);
  });

  it.each([
    [
      'scsi0:1.present = "TRUE"\nscsi0:1.deviceType = "rdm"\nscsi0:1.fileName = "r.vmdk"\n',
      'error RawDeviceMapping',
    ],
    ['pciPassthru0.present = "TRUE"\n', 'error PciPassthrough'],
    ['vtpm.present = "TRUE"\n', 'error VirtualTpm'],
    ['nvdimm0:0.present = "TRUE"\nnvdimm0:0.fileName = "p.vmdk"\n', 'error OtherDisk'],
    ['encryption.keySafe = "vmware:key/list"\n', 'error EncryptedVm'],
    [
      'nvme0:0.present = "TRUE"\nnvme0:0.mode = "independent-persistent"\nnvme0:0.fileName = "n.vmdk"\n',
      'warning IndependentDisk',
    ],
  ])('finds it in %j', (text, finding) => {
    expect(codesOf(text)).toEqual([finding]);
  });

  it('passes a VM without any', () => {
    expect(codesOf('pciPassthru0.present = "FALSE"\nnvdimm0:0.fileName = "p.vmdk"\n')).toEqual([]);
  });

  it('tells that there is no disk', () => {
    const findings = hardwareFindings(parseVmx(Buffer.from('displayName = "web"\n')));
    expect(findings).toMatchObject([{ severity: 'warning', code: 'NoDisk' }]);
  });
});
