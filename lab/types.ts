// What the lab shows of itself: shapes of the control socket (lab/internal/control, lab/internal/vim/view.go).
import { z } from 'zod';

export const labInfoSchema = z.object({
  url: z.string(),
  host: z.string(),
  port: z.number(),
  user: z.string(),
  /** SHA-256 of the certificate, 64 upper-case hexadecimal digits. */
  fingerprint: z.string(),
  model: z.enum(['esx', 'vcenter']),
  pid: z.number(),
  directory: z.string(),
  nfsPort: z.number(),
  mountPort: z.number(),
});
export type LabInfo = z.infer<typeof labInfoSchema>;

export const labVmSchema = z.object({
  moref: z.string(),
  name: z.string(),
  host: z.string(),
  powerState: z.enum(['poweredOn', 'poweredOff', 'suspended']),
  /** `[datastore] directory/file.vmx`. */
  path: z.string(),
  /** The directory of this machine that holds the .vmx. */
  folder: z.string(),
  mac: z.string(),
  /** Process id of the QEMU of a VM that is powered on. */
  qemu: z.number().optional(),
  health: z.enum(['gray', 'green', 'yellow', 'red']),
});
export type LabVm = z.infer<typeof labVmSchema>;

export const labDatastoreSchema = z.object({
  name: z.string(),
  moref: z.string(),
  /** The directory of this machine; of an NFS datastore, where its host has mounted it. */
  path: z.string(),
  /** The host that mounted it; a production datastore is on all hosts. */
  host: z.string().optional(),
  type: z.enum(['VMFS', 'NFS', 'vsan']),
  remoteHost: z.string().optional(),
  remotePath: z.string().optional(),
  /** The mount's process. */
  pid: z.number().optional(),
});
export type LabDatastore = z.infer<typeof labDatastoreSchema>;

export const methodCallSchema = z.object({
  sequence: z.number(),
  time: z.string(),
  method: z.string(),
  this: z.string(),
  user: z.string(),
  durationMs: z.number(),
  /** The fault's type; `dropped` when the lab kept the answer back. */
  fault: z.string().optional(),
  done: z.boolean(),
});
export type MethodCall = z.infer<typeof methodCallSchema>;

export const faultRuleSchema = z.object({
  id: z.number(),
  method: z.string(),
  action: z.enum(['drop', 'fail', 'failTask', 'delay']),
  fault: z.string().optional(),
  delayMs: z.number().optional(),
  times: z.number(),
  hits: z.number(),
});
export type FaultRule = z.infer<typeof faultRuleSchema>;

/** A mishap: `drop` performs the call and keeps the answer back; `times` 0 or absent stands for always. */
export interface NewFault {
  /** The SOAP method, as `PowerOnVM_Task`. */
  readonly method: string;
  readonly action: FaultRule['action'];
  /** Type of the fault of `fail` and `failTask`, as `HostConfigFault`. */
  readonly fault?: string;
  readonly delayMs?: number;
  readonly times?: number;
}

/** A VM to make from the guest image. */
export interface NewLabVm {
  readonly name: string;
  /** Default 256. */
  readonly memoryMiB?: number;
  /** Where the .vmx and the boot disk lie; default `datastore1`. */
  readonly datastore?: string;
  /** Further empty disks: /dev/sdb, /dev/sdc, … in the guest. */
  readonly disks?: readonly { readonly datastore?: string; readonly sizeMiB: number }[];
  /** A static MAC address; generated unless given. */
  readonly mac?: string;
  /** False: the boot disk is empty and the VM never comes up. */
  readonly bootable?: boolean;
  /** Further .vmx keys, or other values for those that the lab writes. */
  readonly extra?: Readonly<Record<string, string>>;
}
