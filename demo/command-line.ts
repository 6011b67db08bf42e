// The command `rundirect` as a user runs it: a process of its own, with its own environment, standard input and
// exit code.
import { spawn } from 'node:child_process';
import path from 'node:path';

const checkout = path.dirname(import.meta.dirname);
export const launcher = path.join(checkout, 'rundirect');

const DEFAULT_LIMIT_MS = 180_000;

export interface CommandOptions {
  readonly stdin?: string;
  readonly limitMs?: number;
  /** Called with each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
  /** Ends the command by SIGINT, as Ctrl-C does. */
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  /** Exit code; -1 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON documents on standard output, one per line (`--json`); what is not JSON is left out. */
  readonly documents: readonly Record<string, unknown>[];
}

/** Runs `rundirect ARGS` to its end. Never throws for a failing command: look at `code`. */
export function runCommandLine(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { limitMs = DEFAULT_LIMIT_MS, onLine, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(launcher, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const interrupt = (): void => void child.kill('SIGINT');
    signal?.addEventListener('abort', interrupt, { once: true });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new Error(`rundirect ${args.join(' ')} took longer than ${limitMs / 1000} s. ${stderr}${stdout}`),
      );
    }, limitMs);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (stdout.slice(stdout.lastIndexOf('\n') + 1) + text).split('\n');
      stdout += text;
      for (const line of lines.slice(0, -1)) onLine?.(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => {
      // It ended without reading its input; its exit code tells the rest.
    });
    child.stdin.end(options.stdin ?? '');
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupt);
    };
    child.on('error', (error) => {
      settle();
      reject(error);
    });
    child.on('close', (code) => {
      settle();
      resolve({ code: code ?? -1, stdout, stderr, documents: jsonLines(stdout) });
    });
  });
}

/** The JSON objects among the lines of a text. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    try {
      return [JSON.parse(line) as Record<string, unknown>];
    } catch {
      return [];
    }
  });
}
