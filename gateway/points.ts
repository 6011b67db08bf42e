// Points: sessions' disks as they were at one moment, told and read piece by piece while the VMs go on. What a
// session is kept from (activities/keep-session.ts). A session has at most one; it is memory alone (overlay/
// frozen-view.ts), and gone when who asked for it is.
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type VmAtJob } from '../vault/index.ts';
import { type ChangesRequest, type ExportPoint, type PointChanges, type ReadRequest } from './control-api.ts';
import { type Exports, type FrozenExport } from './exports.ts';
import { asGatewayError, GatewayError } from './gateway-error.ts';
import { type KeptDisk, type KeptVm, keptVm } from './kept-vm.ts';
import { type FrozenView } from './overlay/index.ts';

/** Of one answer about changes: its size, and what is looked through without letting others in. */
const MAX_RANGES = 1024;
const MAX_RANGES_BYTES = 256 * 1024 * 1024;

interface Point {
  readonly view: FrozenView;
  readonly vm: KeptVm;
}

export class Points {
  readonly #exports: Pick<Exports, 'freeze'>;
  readonly #points = new Map<string, Point>();

  constructor(exports: Pick<Exports, 'freeze'>) {
    this.#exports = exports;
  }

  /** Takes the moment of the call. Throws NotFound, NotSupported, Busy, and what opening the backup throws. */
  async open(sessionId: string): Promise<ExportPoint> {
    const at = new Date().toISOString();
    const frozen = this.#exports.freeze(sessionId);
    try {
      return await this.#open(frozen, at);
    } catch (error) {
      frozen.view.release();
      throw asGatewayError(error);
    }
  }

  /** Nothing happens where it is closed already. */
  close(pointId: string): void {
    this.#points.get(pointId)?.view.release();
    this.#points.delete(pointId);
  }

  /** The next of a disk's changes. Throws NotFound, GatewayUnavailable, StorageFull. */
  changes({ pointId, disk, fromBytes }: ChangesRequest): PointChanges {
    const { view, vm } = this.#point(pointId);
    return changesOf(view, diskOf(vm, disk), fromBytes);
  }

  /** Throws NotFound, GatewayUnavailable, InvalidInput, StorageFull, DestinationUnavailable, BlockCorrupt. */
  async read({ pointId, disk, offsetBytes, lengthBytes }: ReadRequest): Promise<Buffer> {
    const { view, vm } = this.#point(pointId);
    const { file } = diskOf(vm, disk);
    if (offsetBytes + lengthBytes > file.sizeBytes) {
      throw new GatewayError('InvalidInput', `${disk} has ${file.sizeBytes} bytes.`);
    }
    try {
      return (await view.read(file, offsetBytes, lengthBytes)).bytes;
    } catch (error) {
      throw asGatewayError(error);
    }
  }

  async #open({ entry, view, openBackup }: FrozenExport, at: string): Promise<ExportPoint> {
    const { vm: backedUp, setKey } = await openBackup();
    const vm = await closing(backedUp, () => keptVm(view, entry, backedUp));
    const disks: ExportPoint['disks'][number][] = [];
    for (const disk of vm.disks) {
      const { name, file } = disk;
      disks.push({ name, sizeBytes: file.sizeBytes, changedBytes: await changedBytes(view, disk) });
    }
    const pointId = randomUUID();
    this.#points.set(pointId, { view, vm });
    return {
      pointId,
      at,
      source: {
        ...entry.request.source,
        jobId: entry.jobId,
        setKey: Buffer.from(setKey).toString('base64'),
      },
      disks,
      files: vm.files.map(({ name, bytes }) => ({ name, contents: Buffer.from(bytes).toString('base64') })),
    };
  }

  #point(pointId: string): Point {
    const point = this.#points.get(pointId);
    if (point !== undefined) return point;
    throw new GatewayError(
      'GatewayUnavailable',
      `The gateway holds no point ${pointId}: it was started anew since, or its reader has ended. Take another one.`,
    );
  }
}

async function closing<T>(vm: VmAtJob, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } finally {
    await vm.close();
  }
}

function diskOf({ disks }: KeptVm, name: string): KeptDisk {
  const disk = disks.find((candidate) => candidate.name === name);
  if (disk === undefined) throw new GatewayError('NotFound', `The session has no disk ${name}.`);
  return disk;
}

async function changedBytes(view: FrozenView, disk: KeptDisk): Promise<number> {
  let bytes = 0;
  for (let from: number | undefined = 0; from !== undefined; ) {
    const { ranges, nextBytes } = changesOf(view, disk, from);
    for (const [, lengthBytes] of ranges) bytes += lengthBytes;
    from = nextBytes;
    await nextTurn();
  }
  return bytes;
}

function changesOf(view: FrozenView, { file, baseBytes }: KeptDisk, fromBytes: number): PointChanges {
  const ranges: [number, number][] = [];
  let bytes = 0;
  try {
    for (const { offsetBytes, lengthBytes } of view.changes(file, baseBytes, fromBytes)) {
      ranges.push([offsetBytes, lengthBytes]);
      bytes += lengthBytes;
      const nextBytes = offsetBytes + lengthBytes;
      if (ranges.length < MAX_RANGES && bytes < MAX_RANGES_BYTES) continue;
      return { ranges, nextBytes: nextBytes < file.sizeBytes ? nextBytes : undefined };
    }
  } catch (error) {
    throw asGatewayError(error);
  }
  return { ranges, nextBytes: undefined };
}
