// Which place another disk gets, on controllers as hosts number them.
import { expect, it } from 'vitest';
import { freeDiskPlace } from './disk-places.ts';
import type { Properties } from './schema/vim25.ts';

type Devices = Properties['VirtualMachine']['config.hardware.device'];

const scsi = (bus: number, $type = 'ParaVirtualSCSIController') => ({
  ...{ $type, key: 1000 + bus, busNumber: bus, sharedBus: 'noSharing', scsiCtlrUnitNumber: 7 },
});
const other = (key: number) => ({ $type: 'VirtualController', key, busNumber: 0 });
const units = (controllerKey: number, ...unitNumbers: readonly number[]) =>
  unitNumbers.map((unitNumber) => ({ key: controllerKey * 100 + unitNumber, controllerKey, unitNumber }));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const place = (...devices: readonly object[]) => freeDiskPlace(devices as unknown as Devices);

it('takes the first place that is free, and never the controller’s own', () => {
  expect(place(scsi(0), ...units(1000, 0, 1, 3))).toEqual({
    ...{ node: 'scsi0:2', controllerKey: 1000, unitNumber: 2 },
  });
  expect(place(scsi(0), ...units(1000, ...upTo(7)))?.node).toBe('scsi0:8');
  expect(place(scsi(0), scsi(1), ...units(1000, ...upTo(16)))?.node).toBe('scsi1:0');
});

it('takes SCSI before NVMe before SATA, and no IDE', () => {
  expect(place(other(200), other(15000), other(31000), scsi(0))?.node).toBe('scsi0:0');
  expect(place(other(200), other(15000), other(31000))?.node).toBe('nvme0:0');
  expect(place(other(200), other(15001), ...units(15001, 0))?.node).toBe('sata1:1');
});

it.each([
  ['VirtualLsiLogicController', scsi(0, 'VirtualLsiLogicController')],
  ['VirtualLsiLogicSASController', other(200)],
])('brings a controller where none has a place: %s', ($type, controller) => {
  const found = place(controller, ...units(1000, ...upTo(16)));
  const busNumber = controller.key === 1000 ? 1 : 0;
  expect(found).toMatchObject({ node: `scsi${busNumber}:0`, unitNumber: 0 });
  expect(found?.controller).toEqual({
    operation: 'add',
    device: { $type, key: found?.controllerKey, busNumber, sharedBus: 'noSharing' },
  });
});

it('says that there is no place', () => {
  const full = upTo(4).flatMap((bus) => [scsi(bus), ...units(1000 + bus, ...upTo(16))]);
  expect(place(...full)).toBeUndefined();
});
