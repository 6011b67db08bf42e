// The process of the CLI: `rundirect` starts it for every command that is not a process of a site.
import { ExitCode } from './exit-code.ts';
import { runCommandLine } from './program.ts';

const interrupted = new AbortController();
// Once: a second Ctrl-C ends the process as usual.
process.once('SIGINT', () => interrupted.abort());
// A reader that has seen enough, like `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? ExitCode.ok : ExitCode.failed);
});

process.exit(await runCommandLine(process.argv.slice(2), interrupted.signal));
