// Where a further disk can hang: the first place that is free on a controller that the VM has, else the first of a
// SCSI controller that comes with the disk. Pure. IDE is left out: a host adds nothing to it while the VM runs.
// Source: vSphere's configuration maximums (16 units of a SCSI controller, one of them its own; 30 of SATA, 15 of NVMe;
// four controllers of a kind), as they hold for every version since 6.5.
import { diskNode, firstControllerKey } from './device-nodes.ts';
import type {
  ParaVirtualSCSIController,
  Properties,
  VirtualDeviceConfigSpec,
  VirtualLsiLogicController,
  VirtualLsiLogicSASController,
} from './schema/vim25.ts';

type Device = Properties['VirtualMachine']['config.hardware.device'][number];
type ScsiController = ParaVirtualSCSIController | VirtualLsiLogicController | VirtualLsiLogicSASController;

interface Kind {
  readonly name: 'scsi' | 'nvme' | 'sata';
  readonly units: number;
  /** The controller's own. */
  readonly ownUnit?: number;
}

const KINDS: readonly Kind[] = [
  { name: 'scsi', units: 16, ownUnit: 7 },
  { name: 'nvme', units: 15 },
  { name: 'sata', units: 30 },
];
const MAX_CONTROLLERS = 4;
/** In a request, what is new is called by negative numbers. */
const NEW_CONTROLLER_KEY = -100;

export interface DiskPlace {
  /** As a .vmx writes it: `scsi0:1`. */
  readonly node: string;
  readonly controllerKey: number;
  readonly unitNumber: number;
  /** The controller that comes with the disk; absent where it is there. */
  readonly controller?: VirtualDeviceConfigSpec | undefined;
}

/** Undefined where the VM has no room for another disk. */
export function freeDiskPlace(devices: readonly Device[]): DiskPlace | undefined {
  for (const kind of KINDS) {
    for (let bus = 0; bus < MAX_CONTROLLERS; bus += 1) {
      const place = freeOn(devices, kind, firstControllerKey(kind.name) + bus);
      if (place !== undefined) return place;
    }
  }
  return onNewController(devices);
}

function freeOn(devices: readonly Device[], kind: Kind, controllerKey: number): DiskPlace | undefined {
  if (!devices.some(({ key }) => key === controllerKey)) return undefined;
  const taken = new Set(
    devices.filter((each) => each.controllerKey === controllerKey).map(({ unitNumber }) => unitNumber),
  );
  for (let unitNumber = 0; unitNumber < kind.units; unitNumber += 1) {
    if (unitNumber === kind.ownUnit || taken.has(unitNumber)) continue;
    return { node: diskNode({ controllerKey, unitNumber }) ?? '', controllerKey, unitNumber };
  }
  return undefined;
}

/** Of a kind that the guest has a driver for; LSI's SAS where it has none, which most have one for. */
function onNewController(devices: readonly Device[]): DiskPlace | undefined {
  const first = firstControllerKey('scsi');
  for (let busNumber = 0; busNumber < MAX_CONTROLLERS; busNumber += 1) {
    if (devices.some(({ key }) => key === first + busNumber)) continue;
    const known = devices.find((each): each is ScsiController => isScsi(each));
    const device = {
      $type: known?.$type ?? ('VirtualLsiLogicSASController' as const),
      key: NEW_CONTROLLER_KEY,
      busNumber,
      sharedBus: 'noSharing' as const,
    };
    return {
      node: `scsi${busNumber}:0`,
      controllerKey: NEW_CONTROLLER_KEY,
      unitNumber: 0,
      controller: { operation: 'add', device },
    };
  }
  return undefined;
}

const SCSI: ReadonlySet<string> = new Set([
  'ParaVirtualSCSIController',
  'VirtualLsiLogicController',
  'VirtualLsiLogicSASController',
] satisfies ScsiController['$type'][]);

const isScsi = (device: Device): boolean => SCSI.has(device.$type ?? '');
