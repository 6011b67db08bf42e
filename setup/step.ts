// One step of set-up: it looks whether its thing is there, and gets it if not. Steps can be repeated at will.
import { type SpawnOptions, spawn } from 'node:child_process';
import { homedir } from 'node:os';
import path from 'node:path';

export interface Step {
  readonly name: string;
  /** `note` tells the person something while a long step runs. Throws SetupError. */
  readonly run: (note: (text: string) => void) => Promise<StepOutcome>;
}

export interface StepOutcome {
  /** Nothing had to be done. */
  readonly cached: boolean;
  /** What there is now: a version, a path. */
  readonly detail: string;
}

/** What can't be had, said so that a person can get it: the message names the command. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}

/** The user's cache of everything that set-up builds or downloads. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME'];
  return path.join(
    base !== undefined && path.isAbsolute(base) ? base : path.join(homedir(), '.cache'),
    'rundirect',
  );
}

/** Runs the steps in order and prints a line for each. Throws what the failing step threw. */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const startedMs = Date.now();
    const outcome = await step.run((text) => console.log(`  … ${step.name}: ${text}`));
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
    const how = outcome.cached ? 'cached' : 'installed';
    console.log(`  ✓ ${step.name.padEnd(20)} ${how.padEnd(10)} ${seconds.padStart(6)} s  ${outcome.detail}`);
  }
}

interface CommandResult {
  readonly code: number;
  /** Standard output and standard error as they came, the newest megabyte. */
  readonly output: string;
}

const MAX_OUTPUT_CHARS = 1_000_000;

/** Runs a command to its end. A command that does not exist ends with code 127; one out of time with 124. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly timeoutMs: number } & Pick<SpawnOptions, 'cwd' | 'env'>,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const { timeoutMs, ...spawnOptions } = options;
    const child = spawn(command, args, { ...spawnOptions, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-MAX_OUTPUT_CHARS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      output += `\n(killed: it took longer than ${timeoutMs / 1000} s)`;
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: error.message });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 124, output });
    });
  });
}
