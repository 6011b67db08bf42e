// A VM of the lab, as somebody in the vSphere Client has it before them: powered on and off through vSphere,
// looked at by its screenshot, used at its console.
import { writeFile } from 'node:fs/promises';
import type { Lab, LabVm as LabVmView, NewLabVm } from '../lab/lab.ts';
import { connect, type PowerState, type Vsphere } from '../vsphere/index.ts';
import { type Guest, guestAt } from './guest.ts';

const GUEST_LIMIT_MS = 180_000;
const POWER_LIMIT_MS = 60_000;

export interface LabVm {
  readonly name: string;
  readonly moref: string;
  /** The directory of this machine that holds its .vmx. */
  readonly folder: string;
  powerOn(): Promise<void>;
  /** Pulls the plug. */
  powerOff(): Promise<void>;
  waitForPower(state: PowerState): Promise<void>;
  /** Its guest, as soon as that is up. */
  guest(): Promise<Guest>;
  /** Writes what the screen shows as a PNG. */
  screenshot(file: string): Promise<void>;
  /** Powers it off, takes it out of the inventory, and deletes its files. */
  destroy(): Promise<void>;
}

/** Makes a VM with the guest's disk on a production datastore, powered off. */
export async function createLabVm(lab: Lab, spec: NewLabVm): Promise<LabVm> {
  return labVm(lab, await lab.createVm(spec));
}

/** One that is in the inventory already. */
export async function labVmByMoref(lab: Lab, moref: string): Promise<LabVm> {
  const found = (await lab.vms()).find((each) => each.moref === moref);
  if (found === undefined) throw new Error(`the lab has no VM ${moref}`);
  return labVm(lab, found);
}

function labVm(lab: Lab, { name, moref, folder }: LabVmView): LabVm {
  const withVsphere = async <T>(use: (vsphere: Vsphere) => Promise<T>): Promise<T> => {
    await using vsphere = await connect(lab);
    return await use(vsphere);
  };
  const powerOff = (): Promise<void> => withVsphere((vsphere) => vsphere.powerOffVm(moref));
  return {
    ...{ name, moref, folder, powerOff },
    powerOn: () => withVsphere((vsphere) => vsphere.powerOnVm(moref, { movedOrCopied: 'moved' })),
    async waitForPower(state) {
      await withVsphere((vsphere) =>
        vsphere.waitForVm(moref, ({ powerState }) => powerState === state, { timeoutMs: POWER_LIMIT_MS }),
      );
    },
    async guest() {
      const guest = lab.guest(moref);
      await guest.ready({ timeoutMs: GUEST_LIMIT_MS });
      return guestAt((command) => guest.command(command, { timeoutMs: GUEST_LIMIT_MS }));
    },
    async screenshot(file) {
      await writeFile(file, await withVsphere((vsphere) => vsphere.screenshot(moref)));
    },
    destroy: () => lab.destroyVm(moref),
  };
}
