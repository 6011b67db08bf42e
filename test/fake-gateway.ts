// A gateway in memory: exports by name, leases, locks that exclude each other.
import type { Gateway } from '../activities/index.ts';
import {
  type ExportStatus,
  GatewayError,
  type Lease,
  queued,
  type Turn,
  waitsFor,
} from '../gateway/index.ts';

export class FakeGateway implements Gateway {
  readonly published = new Map<string, ExportStatus>();
  /** What is served on, by session. */
  readonly fences = new Map<string, readonly string[]>();
  readonly sealed = new Set<string>();
  /** READs that are held back, in bytes a second, by session. */
  readonly limits = new Map<string, number>();
  held: readonly Lease[] = [];
  queue: readonly Turn[] = [];
  availableBytes = 2 ** 40;
  /** Of every export. */
  reservedBytes = 2 ** 40;
  overlayBytes = 0;
  lastError: string | undefined;
  filesOfExports: Awaited<ReturnType<Gateway['files']>> = [];
  mountsSeen: Awaited<ReturnType<Gateway['mounts']>> = [];
  isDown = false;
  readonly #locks = new Map<string, Promise<unknown>>();

  async status(): ReturnType<Gateway['status']> {
    this.#answer();
    return {
      pid: 1,
      startedAt: '2026-01-01T00:00:00.000Z',
      version: '0',
      advertise: '127.0.0.1',
      ports: { nfs: 2049, mount: 20048, portmap: 111 },
      exports: this.published.size,
      space: { totalBytes: this.availableBytes, freeBytes: this.availableBytes, reservedBytes: 0 },
    };
  }

  async space({
    provisionedBytes,
    reserveFactor,
  }: Parameters<Gateway['space']>[0]): ReturnType<Gateway['space']> {
    this.#answer();
    const neededBytes = provisionedBytes * reserveFactor;
    const { availableBytes } = this;
    return { neededBytes, availableBytes, fits: neededBytes <= availableBytes };
  }

  async publish({
    sessionId,
    targetId,
    source: origin,
    vmx,
    readOnly = false,
  }: Parameters<Gateway['publish']>[0]): ReturnType<Gateway['publish']> {
    this.#answer();
    const published = {
      sessionId,
      remoteHost: '127.0.0.1',
      remotePath: `/rundirect/${targetId}`,
      vmxPath: `${sessionId}/${vmx.displayName}.vmx`,
      disks: [],
    };
    const { vault, backupSet, jobId, vmName } = origin;
    const source = { vault, backupSet, jobId, vmName };
    this.published.set(sessionId, {
      ...{ ...published, targetId, source, readOnly, displayName: vmx.displayName },
      changesDirectory: vmx.changesDirectory,
      ...{ publishedAt: '2026-01-01T00:00:00.000Z', provisionedBytes: 0, reservedBytes: 0, overlayBytes: 0 },
      ...{ fence: undefined, readLimit: undefined, stalledSince: undefined, lastError: undefined },
    });
    return published;
  }

  async exports(): ReturnType<Gateway['exports']> {
    this.#answer();
    return [...this.published.values()];
  }

  async drop(sessionId: string): Promise<void> {
    this.#answer();
    if (!this.published.delete(sessionId)) throw new GatewayError('NotFound', `no export ${sessionId}`);
  }

  async exportStatus(sessionId: string): ReturnType<Gateway['exportStatus']> {
    this.#answer();
    const { reservedBytes, overlayBytes, lastError } = this;
    const raised = this.fences.has(sessionId) ? 'raised' : undefined;
    return { reservedBytes, overlayBytes, lastError, fence: this.sealed.has(sessionId) ? 'final' : raised };
  }

  async makeRoom(_sessionId: string, bytes: number): Promise<void> {
    this.#answer();
    if (bytes > this.availableBytes) throw new GatewayError('StorageFull', `${bytes} bytes are too much`);
  }

  async fence(sessionId: string, keep: readonly string[]): Promise<void> {
    this.#answer();
    this.fences.set(sessionId, keep);
  }

  async liftFence(sessionId: string): Promise<void> {
    this.#answer();
    if (this.sealed.has(sessionId)) throw new GatewayError('FenceFinal', `${sessionId} has run elsewhere`);
    this.fences.delete(sessionId);
  }

  async sealFence(sessionId: string): Promise<void> {
    this.#answer();
    this.sealed.add(sessionId);
  }

  async limitReads(sessionId: string, bytesPerSecond: number): Promise<void> {
    this.#answer();
    this.limits.set(sessionId, bytesPerSecond);
  }

  async liftReadLimit(sessionId: string): Promise<void> {
    this.#answer();
    this.limits.delete(sessionId);
  }

  async takeLease(lease: Lease): Promise<readonly Lease[]> {
    this.#answer();
    this.held = [...this.held.filter((other) => !same(other, lease)), lease];
    return this.held;
  }

  async releaseLease(lease: Lease): Promise<readonly Lease[]> {
    this.#answer();
    this.held = this.held.filter((other) => !same(other, lease));
    return this.held;
  }

  async leases(): Promise<readonly Lease[]> {
    this.#answer();
    return this.held;
  }

  async takeTurn(request: Parameters<Gateway['takeTurn']>[0]): ReturnType<Gateway['takeTurn']> {
    this.#answer();
    const { sessionId, places } = request;
    this.queue = queued(this.queue, { sessionId, places });
    return { waitsFor: waitsFor(this.queue, request) };
  }

  async releaseTurn(sessionId: string): Promise<void> {
    this.#answer();
    this.queue = this.queue.filter((turn) => turn.sessionId !== sessionId);
  }

  async files(): ReturnType<Gateway['files']> {
    this.#answer();
    return this.filesOfExports;
  }

  async mounts(): ReturnType<Gateway['mounts']> {
    this.#answer();
    return this.mountsSeen;
  }

  withPoint(sessionId: string): Promise<never> {
    return Promise.reject(new GatewayError('NotFound', `no point of ${sessionId}`));
  }

  async withLock<T>(name: string, _holder: string, body: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(name) ?? Promise.resolve();
    const mine = before.then(body, body);
    this.#locks.set(
      name,
      mine.catch(() => undefined),
    );
    return mine;
  }

  #answer(): void {
    if (this.isDown) throw new GatewayError('GatewayUnavailable', 'The gateway does not answer');
  }
}

function same(one: Lease, other: Lease): boolean {
  return one.host === other.host && one.datastore === other.datastore && one.sessionId === other.sessionId;
}
