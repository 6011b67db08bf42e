// A process of the house, started by us and ended by us: by its pid, never by its name. Its output goes to files,
// not to pipes, so that it can outlive the program that started it (`--keep`) and so that what it said can still
// be read after it was killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { until } from './until.ts';

export interface ProcessPlan<Ready> {
  /** Names the process in messages, and its log files. */
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  readonly logFolder: string;
  /** Finds in what the process has printed on standard output since its start that it is ready; undefined: not yet. */
  readonly readiness: (output: string) => Ready | undefined | Promise<Ready | undefined>;
  readonly readyLimitMs: number;
  /** How long it gets to end by itself after SIGTERM. */
  readonly stopLimitMs: number;
  /** It stays when we end, however we end. Otherwise it is told to end when we die, even by SIGKILL. */
  readonly outlivesUs: boolean;
}

const KILL_LIMIT_MS = 10_000;
const QUOTED_LINES = 20;
/** util-linux: asks the kernel to send a signal to the process when its parent dies. */
const SETPRIV = '/usr/bin/setpriv';

export class ManagedProcess<Ready> implements AsyncDisposable {
  readonly name: string;
  readonly #plan: ProcessPlan<Ready>;
  #child: ChildProcess | undefined;
  #ready: Ready | undefined;
  #logStart = 0;
  #spawnError: Error | undefined;

  constructor(plan: ProcessPlan<Ready>) {
    this.name = plan.name;
    this.#plan = plan;
  }

  /** Where standard output and standard error are kept, of all runs, one after the other. */
  get outputFile(): string {
    return path.join(this.#plan.logFolder, `${this.name}.out`);
  }
  get logFile(): string {
    return path.join(this.#plan.logFolder, `${this.name}.log`);
  }

  /** Of the running process. */
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} was not started`);
    return pid;
  }

  /** What the process said when it was ready. */
  get ready(): Ready {
    if (this.#ready === undefined) throw new Error(`${this.name} is not ready`);
    return this.#ready;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it and waits until it is ready. Throws with its last words if it ends before, or is not ready in time. */
  async start(): Promise<Ready> {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    this.#ready = undefined;
    this.#logStart = existsSync(this.outputFile) ? statSync(this.outputFile).size : 0;
    this.#spawn();
    this.#ready = await until(`${this.name} to be ready`, this.#plan.readyLimitMs, async () => {
      const ready = await this.#plan.readiness(this.#output());
      if (ready === undefined && !this.isRunning) throw new Error(`${this.name} ended: ${this.#lastWords()}`);
      return ready;
    }).catch(async (error: unknown) => {
      await this.kill('SIGKILL');
      throw new Error(`${this.name} did not start. ${this.#lastWords()}`, { cause: error });
    });
    return this.#ready;
  }

  #spawn(): void {
    const output = openSync(this.outputFile, 'a', 0o600);
    const log = openSync(this.logFile, 'a', 0o600);
    try {
      const tied = !this.#plan.outlivesUs && existsSync(SETPRIV);
      const [command, ...args] = tied
        ? ([SETPRIV, '--pdeathsig', 'TERM', ...this.#plan.command] as const)
        : this.#plan.command;
      this.#child = spawn(command, args, {
        env: this.#plan.env,
        stdio: ['ignore', output, log],
        // A group of its own: a Ctrl-C in the terminal reaches us alone, and we end things in their order.
        detached: true,
      });
    } finally {
      closeSync(output);
      closeSync(log);
    }
    this.#child.on('error', (error) => {
      this.#spawnError = error;
    });
    if (this.#plan.outlivesUs) this.#child.unref();
  }

  #output(): string {
    return readFileSync(this.outputFile).subarray(this.#logStart).toString();
  }

  #lastWords(): string {
    if (this.#spawnError !== undefined) return this.#spawnError.message;
    const said = `${readFileSync(this.logFile, 'utf8')}\n${this.#output()}`.trim();
    const quoted = said.split('\n').slice(-QUOTED_LINES).join('\n');
    return `Its last words (all of them are in ${this.logFile}):\n${quoted}`;
  }

  /** Sends the signal and waits until the process is gone. Nothing happens if it is gone already. */
  async kill(signal: NodeJS.Signals, limitMs = KILL_LIMIT_MS): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    child.kill(signal);
    await until(`${this.name} to end after ${signal}`, limitMs, () => (this.isRunning ? undefined : true));
  }

  /** Ends it in good order, and by force if it takes longer than its limit. */
  async stop(): Promise<void> {
    try {
      await this.kill('SIGTERM', this.#plan.stopLimitMs);
    } catch {
      await this.kill('SIGKILL');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
