// A server under test on loopback, what it logs, and a file system whose calls can be held.
import { inspect } from 'node:util';
import { type Awaitable, type FileSystem } from '../file-system.ts';
import { type NfsServer, type NfsServerOptions, startNfsServer } from '../server.ts';
import { MemoryFileSystem, type MemoryNode } from './memory-file-system.ts';

export interface RunningServer extends AsyncDisposable {
  readonly server: NfsServer;
  /** NFS and MOUNT are both here. */
  readonly port: number;
  readonly warnings: string[];
  readonly errors: string[];
}

export async function runServer(
  fileSystem: FileSystem<MemoryNode> = new MemoryFileSystem(),
  options: Partial<NfsServerOptions<MemoryNode>> = {},
): Promise<RunningServer> {
  const warnings: string[] = [];
  const errors: string[] = [];
  const log = {
    info: () => undefined,
    warn: (_: object, message: string) => warnings.push(message),
    // With the fields, which say what failed and how.
    error: (fields: object, message: string) => errors.push(`${message} ${inspect(fields)}`),
  };
  const ports = { nfs: 0, mount: 0, portmap: 'off' } as const;
  const server = await startNfsServer({ fileSystem, host: '127.0.0.1', ports, log, ...options });
  const close = (): Promise<void> => server.close();
  return { server, port: server.ports.nfs, warnings, errors, [Symbol.asyncDispose]: close };
}

/** Calls of a file system that wait until they are let go. */
export class Gate {
  readonly #held: (() => void)[] = [];
  #onCount: (() => void) | undefined;

  get count(): number {
    return this.#held.length;
  }

  /** Holds what `run` does until `open`. */
  async hold<T>(run: () => Awaitable<T>): Promise<T> {
    await new Promise<void>((resolve) => {
      this.#held.push(resolve);
      this.#onCount?.();
    });
    return run();
  }

  /** Resolves when that many calls are held. */
  async waitFor(count: number): Promise<void> {
    while (this.#held.length < count) await new Promise<void>((resolve) => (this.#onCount = resolve));
  }

  /** Lets the call go that came as number `index`, or all. */
  open(index?: number): void {
    const released = index === undefined ? this.#held.splice(0) : this.#held.splice(index, 1);
    for (const release of released) release();
  }
}
