// A picture of a VM's console. `/screen` makes one at once and leaves nothing behind; where it is not served,
// the host writes a file into the VM's folder, which is fetched and deleted.
import { VsphereError } from './errors.ts';
import { datacenterAbove, folderUrl, locate } from './place.ts';
import { readObject } from './property-collector.ts';
import type { Session } from './session.ts';
import { runTask } from './tasks.ts';
import type { CallOptions } from './types.ts';
import { vmRef } from './virtual-machines.ts';

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const SCREEN_TIMEOUT_MS = 30_000;

export async function screenshot(
  session: Session,
  vm: string,
  options: CallOptions = {},
): Promise<Uint8Array> {
  const found = await readObject(session, vmRef(vm), ['runtime.powerState'], options);
  if (found === undefined) throw new VsphereError('NotFound', `${session.address} has no VM ${vm}.`);
  if (found.read['runtime.powerState'] !== 'poweredOn') {
    throw new VsphereError(
      'InvalidPowerState',
      `VM ${vm} at ${session.address} is not powered on: it shows nothing.`,
    );
  }
  const screen = await fetchPng(session, `/screen?id=${encodeURIComponent(vm)}`, options);
  return screen ?? screenshotByFile(session, vm, options);
}

async function screenshotByFile(session: Session, vm: string, options: CallOptions): Promise<Uint8Array> {
  const file = (await runTask(session, 'CreateScreenshot_Task', vmRef(vm), {}, options)) as string;
  const parent = (await readObject(session, vmRef(vm), ['parent'], options))?.read.parent;
  const datacenter = await datacenterAbove(session, parent, options);
  if (datacenter === undefined) {
    throw new VsphereError('NotFound', `The datacenter of VM ${vm} at ${session.address} can't be seen.`);
  }
  try {
    const place = await locate(session, file, { ...options, datacenter: datacenter.ref.value });
    const picture = await fetchPng(session, folderUrl(place, datacenter.path), options);
    if (picture !== undefined) return picture;
    throw new VsphereError(
      'Unexpected',
      `${session.address} does not serve the screenshot ${file} as a PNG.`,
    );
  } finally {
    const { fileManager } = session.content;
    if (fileManager !== undefined) {
      const parameters = { name: file, datacenter: datacenter.ref };
      await runTask(session, 'DeleteDatastoreFile_Task', fileManager, parameters, options);
    }
  }
}

/** Undefined when the target serves something else at the path, or nothing. */
async function fetchPng(
  session: Session,
  path: string,
  options: CallOptions,
): Promise<Uint8Array | undefined> {
  const what = `Fetching ${path} from ${session.address}`;
  const answer = await session.get(path, { ...options, answerWithinMs: SCREEN_TIMEOUT_MS, what });
  const isPng = answer.body.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE);
  return answer.status === 200 && isPng ? answer.body : undefined;
}
