// What the process tells the shell. Scripts rely on it, so it is part of --help.

export const ExitCode = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
