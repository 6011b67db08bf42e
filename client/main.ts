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
// A reader that has seen enough, like `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? ExitCode.ok : ExitCode.failed);
});

process.exit(await runCommandLine(process.argv.slice(2), interrupted.signal));
