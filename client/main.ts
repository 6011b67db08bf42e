// The process of the CLI: `rundirect` starts it for every command that is not a process of a site. Compiled code
// is kept per user, because loading Temporal's client is most of what a short command takes.
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ExitCode } from './errors/exit-code.ts';

const cacheHome = process.env['XDG_CACHE_HOME'];
enableCompileCache(
  join(cacheHome?.startsWith('/') === true ? cacheHome : join(homedir(), '.cache'), 'rundirect', 'compiled'),
);
// Loaded only now, so that it comes from the cache.
const { runCommandLine } = await import('./program.ts');

const interrupted = new AbortController();
// Once: a second Ctrl-C ends the process as usual.
process.once('SIGINT', () => interrupted.abort());
// A reader that has seen enough, like `head`, is no failure; a disk that is full is one.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.ok);
  process.stderr.write(`rundirect: standard output can't be written: ${error.message}\n`);
  process.exit(ExitCode.failed);
});
// Words that nobody hears any more end nothing.
process.stderr.on('error', () => undefined);

const exitCode = await runCommandLine(process.argv.slice(2), interrupted.signal);
// What became of the last write is told a turn later.
await new Promise(setImmediate);
process.exit(exitCode);
