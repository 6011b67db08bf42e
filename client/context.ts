// What a command works with: the terminal, the way to Temporal, and the wish to stop. One per process.
import type { Temporal } from './temporal/temporal.ts';
import { connectTemporal } from './temporal/temporal.ts';
import type { Terminal } from './terminal.ts';

export interface Context extends AsyncDisposable {
  readonly terminal: Terminal;
  readonly configPath: string;
  /** Aborted by the first Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Connects at the first call. Throws ClientError TemporalUnreachable, TemporalMisconfigured. */
  temporal(): Promise<Temporal>;
  /** How a short Workflow is waited for. */
  readonly waiting: { readonly signal: AbortSignal; readonly onTrouble: (message: string) => void };
}

export function createContext(
  parts: Pick<Context, 'terminal' | 'configPath' | 'interrupted'> & { profile: string | undefined },
): Context {
  const { terminal, configPath, interrupted, profile } = parts;
  let connecting: Promise<Temporal> | undefined;
  return {
    terminal,
    configPath,
    interrupted,
    temporal: () => (connecting ??= connectTemporal(profile)),
    waiting: { signal: interrupted, onTrouble: (message) => terminal.note(message) },
    async [Symbol.asyncDispose]() {
      // A connection that failed was reported where it was asked for.
      await connecting?.then((temporal) => temporal[Symbol.asyncDispose]()).catch(() => undefined);
    },
  };
}
