// The short outage, piece by piece: the frozen base is copied to production while the VM runs on its child; the VM
// is suspended and registered there, its child on the gateway standing on the copy; it resumes, and the child is
// merged into the copy while it runs. The guest's own count then tells whether it was ever booted anew.
import { type ProveProductionInput, type ProveRow, primitivesOf, proveVmName } from '../../contract/index.ts';
import {
  adapterTypeOf,
  parseDescriptor,
  parseVmx,
  productionVmx,
  STATE_KEY,
  withParent,
} from '../../vm-folder/index.ts';
import { type VirtualDisk, type Vsphere, VsphereError } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { sessionFolder } from '../finalize/crossing/place.ts';
import { absolute } from '../production-place.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { bootedOnce, homeOf, noFolders } from './production.ts';
import { assertMerged, readDisk, takeSnapshot } from './snapshot.ts';
import { TINY_DISK, TINY_VM } from './tiny-vm.ts';
import { type Trial, trial, Unmet } from './trial.ts';
import { awaitGuestWrites, guestWrites } from './watch-files.ts';

type Input = ProveProductionInput & { readonly moref: string };

const ROWS = primitivesOf('outage');
const WANTED = { diskType: 'thin', adapterType: 'lsiLogic' } as const;

export async function proveOutage(
  deps: Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>,
  input: Input,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  const tried = trial(step);
  const cannot = noFolders(input);
  if (cannot !== undefined) {
    for (const row of ROWS) tried.skip(row, cannot);
    return tried.rows(ROWS);
  }
  return withTarget(deps, step, input.target, async (vsphere) => {
    let child: VirtualDisk | undefined;
    const isCopied = await tried.attempt('copyDisk', async (signal) => {
      await awaitGuestWrites(deps.gateway, input.sessionId, signal);
      await vsphere.makeDirectory(homeOf(input), { signal });
      child = await takeSnapshot(vsphere, input.moref, signal);
      return copyBase(vsphere, input, child, signal);
    });
    if (isCopied && child !== undefined) {
      await tried.attempt('copySpec', (signal) => assertAsAsked(vsphere, input, signal));
      await swap(deps, vsphere, input, child, tried);
    }
    return tried.rows(ROWS);
  });
}

const copyOf = (input: Input): string => `${homeOf(input)}/${TINY_DISK}`;

async function copyBase(
  vsphere: Vsphere,
  input: Input,
  { parents }: VirtualDisk,
  signal: AbortSignal,
): Promise<string> {
  const spec = { source: parents.at(-1) ?? '', destination: copyOf(input) };
  if (!vsphere.isVirtualCenter) {
    await vsphere.copyVirtualDisk({ ...spec, spec: WANTED }, { signal });
    return 'with diskType and adapterType';
  }
  // A vCenter is documented not to implement the wish; which it is on this one is worth knowing.
  try {
    await vsphere.copyVirtualDisk({ ...spec, spec: WANTED }, { signal });
    return 'with diskType and adapterType, which this vCenter takes';
  } catch (error) {
    if (!(error instanceof VsphereError && error.code === 'NotSupported')) throw error;
    await vsphere.copyVirtualDisk(spec, { signal });
    return `without diskType and adapterType: the vCenter answers ${error.fault ?? error.code} to them`;
  }
}

async function assertAsAsked(vsphere: Vsphere, input: Input, signal: AbortSignal): Promise<string> {
  const copy = parseDescriptor(await vsphere.downloadFile(copyOf(input), { signal }), copyOf(input));
  const thin = /^\s*ddb\.thinProvisioned\s*=\s*"?1"?\s*$/im.test(copy.text);
  const adapter = adapterTypeOf(copy);
  const seen = `${copy.createType}, ${thin ? 'thin' : 'not thin'}, adapterType ${adapter}`;
  if (thin && adapter === 'lsilogic') return seen;
  throw new Unmet(`the copy is ${seen}`);
}

/** From the VM at the gateway to the one in production, which has another moref. */
async function swap(
  { gateway }: Pick<ActivityDeps, 'gateway'>,
  vsphere: Vsphere,
  input: Input,
  child: VirtualDisk,
  tried: Trial,
): Promise<void> {
  let moref: string | undefined;
  const isResumed = await tried.attempt('resumeElsewhere', async (signal) => {
    await vsphere.suspendVm(input.moref, { signal });
    moref = await moveHome(vsphere, input, child, signal);
    const before = await guestWrites(gateway, input.sessionId);
    await vsphere.powerOnVm(moref, { movedOrCopied: 'moved', signal });
    await awaitGuestWrites(gateway, input.sessionId, signal, before);
    return 'the guest writes on';
  });
  const moved = moref;
  if (moved === undefined) return;
  const isOpen = await tried.attempt('parentHint', async (signal) => {
    // Where the state is refused, the disk alone is tried: without it, the VM boots.
    if (!isResumed) {
      await vsphere.powerOffVm(moved, { signal });
      await vsphere.powerOnVm(moved, { movedOrCopied: 'moved', signal });
    }
    const { fileName, parents } = await readDisk(vsphere, moved, signal);
    return `${fileName} over ${parents.join(', ')}`;
  });
  if (!isOpen) return;
  const isMerged = await tried.attempt('consolidateThere', (signal) =>
    mergeHome(vsphere, input, moved, signal),
  );
  if (!isMerged) return;
  if (isResumed) await tried.attempt('resumedOnce', (signal) => bootedOnce(vsphere, moved, signal));
  else tried.skip('resumedOnce', 'its state did not resume, so it was booted to try the disk');
}

/**
 * Registers the suspended VM in production: its .vmx goes there, its child and its state stay at the gateway and
 * are named by absolute paths; the child's parent is the copy now. Answers the moref.
 */
async function moveHome(
  vsphere: Vsphere,
  input: Input,
  child: VirtualDisk,
  signal: AbortSignal,
): Promise<string> {
  const { folder, resourcePool: pool, host } = input.placement;
  const there = `${sessionFolder(input)}/${TINY_VM}.vmx`;
  const vmx = parseVmx(await vsphere.downloadFile(there, { signal }), there);
  const state = vmx.get(STATE_KEY);
  if (state === undefined || state === '') throw new Unmet(`the suspended VM's .vmx has no ${STATE_KEY}`);
  const stateFile = state.startsWith('/') ? state : absolute(`${sessionFolder(input)}/${state}`);
  await vsphere.unregisterVm(input.moref, { signal });
  await standOnCopy(vsphere, input, child, signal);
  const path = `${homeOf(input)}/${TINY_VM}.vmx`;
  const diskFile = (): string => absolute(child.fileName);
  const text = productionVmx(vmx, { diskFile, stateFile, originUuid: undefined });
  await vsphere.uploadFile(path, Buffer.from(text), { signal });
  const name = proveVmName(input.sessionId);
  return vsphere.registerVm({ folder, path, name, pool, host: host.moref }, { signal });
}

async function standOnCopy(
  vsphere: Vsphere,
  input: Input,
  { fileName }: VirtualDisk,
  signal: AbortSignal,
): Promise<void> {
  const copy = parseDescriptor(await vsphere.downloadFile(copyOf(input), { signal }), copyOf(input));
  const delta = parseDescriptor(await vsphere.downloadFile(fileName, { signal }), fileName);
  const text = withParent(delta, { cid: copy.cid, hint: absolute(copyOf(input)) });
  await vsphere.uploadFile(fileName, Buffer.from(text), { signal });
}

/**
 * The snapshot's record stayed behind, so the disks themselves are asked to be merged; where a host sees nothing to
 * merge, a snapshot that is taken and removed makes it look again.
 */
async function mergeHome(
  vsphere: Vsphere,
  input: Input,
  moref: string,
  signal: AbortSignal,
): Promise<string> {
  await vsphere.consolidateDisks(moref, { signal });
  const { parents } = await readDisk(vsphere, moref, signal);
  if (parents.length > 0) {
    await takeSnapshot(vsphere, moref, signal);
    await vsphere.removeAllSnapshots(moref, { signal });
  }
  const how = parents.length > 0 ? 'a snapshot and its removal' : 'ConsolidateVMDisks';
  return `by ${how}: ${assertMerged(await readDisk(vsphere, moref, signal), copyOf(input))}`;
}
