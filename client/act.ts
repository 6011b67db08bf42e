// Joins a command's code to the command line: gives it its context, and turns its end into an exit code.
import type { Context } from './context.ts';
import type { ExitCode } from './errors/exit-code.ts';

/** What a command does: operands and options as commander brings them; the exit code, or nothing for `ok`. */
export type Run<Args extends unknown[]> = (context: Context, ...args: Args) => Promise<ExitCode | undefined>;

/** Wraps a command's code for commander's `action`. */
export type Act = <Args extends unknown[]>(run: Run<Args>) => (...args: Args) => Promise<void>;
