// What is asked of a VM that runs: a picture, that its datastore stays, a suspend and a resume.
import { type ProvePrimitive, type ProveRow, type ProveStepInput } from '../../contract/index.ts';
import { type Vsphere, VsphereError } from '../../vsphere/index.ts';
import type { ActivityDeps } from '../deps.ts';
import { ensureMounted, otherLeases, withHostLock } from '../host-mount.ts';
import type { Step } from '../step.ts';
import { assertOwnSession, withTarget } from '../target.ts';
import { type Trial, trial, Unmet } from './trial.ts';
import { awaitGuestWrites, guestWrites } from './watch-files.ts';

type Deps = Pick<ActivityDeps, 'siteKey' | 'targets' | 'gateway'>;

const ROWS: readonly ProvePrimitive[] = ['screenshot', 'unmountInUse', 'suspend', 'resume'];
/** Where a PNG's IHDR says width and height. */
const [PNG_WIDTH, PNG_HEIGHT, PNG_HEAD_BYTES] = [16, 20, 24];

export async function proveRunning(
  deps: Deps,
  input: ProveStepInput,
  step: Step,
): Promise<readonly ProveRow[]> {
  assertOwnSession(step, input.sessionId);
  return withTarget(deps, step, input.target, async (vsphere) => {
    const { moref, sessionId } = input;
    const tried = trial(step);
    await tried.attempt('screenshot', async (signal) => sizeOf(await vsphere.screenshot(moref, { signal })));
    await unmountInUse(deps, vsphere, input, step, tried);
    const isSuspended = await tried.attempt('suspend', async (signal) => {
      await vsphere.suspendVm(moref, { signal });
      const files = await deps.gateway.files(sessionId);
      const state = files.filter(({ name }) => /\.vms[sn]$|\.vmem$/.test(name)).map(({ name }) => name);
      return state.length === 0 ? 'the state lies elsewhere' : `the state is ${state.join(', ')}`;
    });
    if (isSuspended) await tried.attempt('resume', (signal) => resume(deps, vsphere, input, signal));
    return tried.rows(ROWS);
  });
}

function sizeOf(png: Uint8Array): string {
  if (png.byteLength < PNG_HEAD_BYTES) throw new Unmet(`the picture has ${png.byteLength} bytes`);
  const view = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  return `${view.readUInt32BE(PNG_WIDTH)} × ${view.readUInt32BE(PNG_HEIGHT)}, ${png.byteLength} bytes`;
}

/** Nobody else's VM is put at risk: where another session uses the datastore, it is not tried. */
async function unmountInUse(
  { gateway }: Deps,
  vsphere: Vsphere,
  input: ProveStepInput,
  step: Step,
  tried: Trial,
): Promise<void> {
  const { host, datastore } = input.placement;
  await withHostLock(gateway, input, step, async () => {
    const others = await otherLeases(gateway, input);
    if (others.length > 0) {
      tried.skip(
        'unmountInUse',
        `${others.length} other session(s) use the datastore, and it is theirs, too`,
      );
      return;
    }
    await tried.attempt('unmountInUse', async (signal) => {
      try {
        await vsphere.removeDatastore(host.moref, datastore, { signal });
      } catch (error) {
        if (error instanceof VsphereError && error.code === 'ResourceInUse') return error.fault ?? error.code;
        throw error;
      }
      await ensureMounted(gateway, vsphere, input, step);
      throw new Unmet(`the host unmounted ${datastore} although a VM runs from it; it was mounted again`);
    });
  });
}

async function resume(
  { gateway }: Deps,
  vsphere: Vsphere,
  { moref, sessionId }: ProveStepInput,
  signal: AbortSignal,
): Promise<string> {
  const before = await guestWrites(gateway, sessionId);
  await vsphere.powerOnVm(moref, { movedOrCopied: 'moved', signal });
  await awaitGuestWrites(gateway, sessionId, signal, before);
  return 'the guest writes on';
}
