// Looks at everything that the restore of one disk needs before anything is touched, and answers with all findings at
// once: the disk in the backup, the VM that gets it, a place on a controller, and room on a datastore.
import {
  datastoreName,
  MIN_RESERVE_FACTOR,
  type Placement,
  type RestoreDisk,
  type RestoreDiskInput,
  type RestoreDiskPlan,
  type RestoredDiskFile,
  restoreDiskInputSchema,
} from '../../contract/index.ts';
import type { Host, Inventory, Vm, VmSummary, Vsphere } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { parsed } from '../parsed.ts';
import { type BackupLook, lookAtBackup } from '../preflight/backup-look.ts';
import { type Findings, failureForFindings, findings } from '../preflight/findings.ts';
import { type GatewayLook, lookAtGateway } from '../preflight/gateway-look.ts';
import { choosePlace as chooseHost } from '../preflight/placement.ts';
import { chooseDatastore, lookAtDatastore } from '../preflight/production-datastore.ts';
import { lookAtGatewayDatastore, lookAtLicence, targetIdOf } from '../preflight/target-look.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { datastoreOf } from '../vm-standing.ts';
import { choosePlace } from './file-place.ts';
import { lookAtVm } from './growing-vm.ts';

const MAX_ATTEMPTS = 3;
/** Types of datastores whose disks are objects. */
const NAMESPACE_TYPES: ReadonlySet<string> = new Set(['vsan', 'vvol']);
const DATA_FILE_END = /-flat\.vmdk$/i;

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets' | 'vaults' | 'gateway' | 'site' | 'allow'>;
type Look = Pick<RestoreDiskPlan, 'placement' | 'vm' | 'file'>;

export async function restoreDiskPreflight(
  deps: Deps,
  raw: RestoreDiskInput,
  step: Step,
): Promise<RestoreDiskPlan> {
  const input = parsed(restoreDiskInputSchema, raw);
  assertOwnSession(step, input.sessionId);
  const found = findings(step.attempt < MAX_ATTEMPTS);
  const backup = await lookAtBackup(deps, input, step, found, { restored: 'asDisksAlone' });
  const disk = backup && chooseDisk(backup, input, found);
  const space = { reserveFactor: MIN_RESERVE_FACTOR };
  const gateway = await lookAtGateway(deps, space, backup?.provisionedBytes, found);
  const look = await found.look(() =>
    withTarget(deps, step, input.target, (vsphere) =>
      lookAtTarget(deps, vsphere, input, { backup, disk, gateway }, step, found),
    ),
  );
  const failure = failureForFindings(found.all);
  if (failure !== undefined) throw failure;
  if (backup === undefined || disk === undefined || look === undefined) {
    throw new Error('preflight ended without an answer');
  }
  const warnings = found.all.filter(({ severity }) => severity === 'warning');
  return { jobId: backup.jobId, disk, ...look, warnings };
}

/** By its place, its name, or the name of its data file, as a browse shows it. Undefined when there is none. */
export function chooseDisk(
  { nodes, disks, jobId, vmName }: Pick<BackupLook, 'nodes' | 'disks' | 'jobId' | 'vmName'>,
  { disk: wanted }: Pick<RestoreDiskInput, 'disk'>,
  found: Findings,
): RestoreDisk | undefined {
  const nodeOf = (name: string): string | undefined => nodes.find(({ file }) => file === name)?.node;
  const called = wanted.replace(DATA_FILE_END, '.vmdk');
  const chosen = disks.find(({ name }) => name === called || nodeOf(name) === wanted.toLowerCase());
  if (chosen !== undefined) return { name: chosen.name, sizeBytes: chosen.sizeBytes };
  const known = disks.map(({ name }) => `${nodeOf(name) ?? 'on no controller'} (${name})`).join(', ');
  found.error(
    'NotFound',
    `VM ${vmName} has no disk ${wanted} in job ${jobId}; it has ${known === '' ? 'none' : known}`,
  );
  return undefined;
}

interface Others {
  readonly backup: BackupLook | undefined;
  readonly disk: RestoreDisk | undefined;
  readonly gateway: GatewayLook | undefined;
}

async function lookAtTarget(
  deps: Deps,
  vsphere: Vsphere,
  input: RestoreDiskInput,
  others: Others,
  step: Step,
  found: Findings,
): Promise<Look | undefined> {
  await lookAtLicence(vsphere, step, found);
  const inventory = await vsphere.inventory({ signal: step.signal });
  const vm = await lookAtVm(vsphere, await allVms(vsphere, step), input, step, found);
  if (vm === undefined) return undefined;
  warnOfTwins(vm, others.backup, found);
  const datastore = datastoreName(deps.site);
  const place = chooseHost(inventory, { host: hostOf(vm) }, datastore, found);
  if (place === undefined) return undefined;
  lookAtGatewayDatastore(inventory, place, datastore, others.gateway, found);
  const file = await lookAtFile(
    vsphere,
    inventory,
    vm,
    place.host,
    { input, datastore, others },
    step,
    found,
  );
  if (file === undefined) return undefined;
  const placement: Placement = {
    targetId: targetIdOf(vsphere, input),
    host: { moref: place.host.moref, name: place.host.name },
    folder: place.folder,
    resourcePool: place.resourcePool,
    datastore,
    vmName: input.source.vmName,
    allow: [...new Set([...place.host.vmknicAddresses, ...deps.allow])],
  };
  return { placement, vm: { moref: vm.moref, name: vm.name }, file };
}

async function allVms(vsphere: Vsphere, { signal }: Step): Promise<readonly VmSummary[]> {
  const vms: VmSummary[] = [];
  for await (const vm of vsphere.listVms({ signal })) vms.push(vm);
  return vms;
}

/** One without a host can't be reconfigured either: that there is none of that name says it. */
const hostOf = ({ host, name }: Vm): string => host ?? `of VM ${name}`;

interface Wanted {
  readonly input: RestoreDiskInput;
  /** The gateway's. */
  readonly datastore: string;
  readonly others: Others;
}

/** Where the disk's file goes, if there is room. */
async function lookAtFile(
  vsphere: Vsphere,
  inventory: Inventory,
  vm: Vm,
  host: Host,
  { input, datastore, others: { disk, gateway } }: Wanted,
  step: Step,
  found: Findings,
): Promise<RestoredDiskFile | undefined> {
  const home = datastoreOf(vm.vmPathName);
  const chosen = chooseDatastore(inventory, input.datastore ?? home, host, found);
  if (chosen === undefined) return undefined;
  if (NAMESPACE_TYPES.has(chosen.type.toLowerCase())) {
    found.error(
      'NotSupported',
      `Datastore ${chosen.name} is of the kind ${chosen.type}: one disk is not restored there yet. Name another one ` +
        'with --datastore, or restore the whole VM under another name',
    );
    return undefined;
  }
  const own = { datastore, remoteHost: gateway?.advertise };
  if (!lookAtDatastore(chosen, disk?.sizeBytes ?? 0, own, found)) return undefined;
  const { sessionId } = input;
  const wanted = { datastore: chosen.name, diskName: disk?.name ?? '', sessionId };
  return choosePlace(vsphere, vm, wanted, step, found);
}

/** A guest that finds volumes by their ids finds the same one twice. */
function warnOfTwins({ uuid, name }: Vm, backup: BackupLook | undefined, found: Findings): void {
  if (uuid === '' || backup?.origin.uuid?.toLowerCase() !== uuid.toLowerCase()) return;
  found.warning(
    'SameVolumes',
    `VM ${name} is the one that the backup was made of, so its guest will see volumes with ids that it has already. ` +
      'See that it takes the right ones, above all before it boots with this disk',
  );
}
