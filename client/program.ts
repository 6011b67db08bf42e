// The command line as a whole: which commands there are, what they share, what is said in --help.
import { Command, CommanderError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import type { Act } from './act.ts';
import { addAnswer } from './commands/answer.ts';
import { addBackup } from './commands/backup.ts';
import { addBrowse } from './commands/browse/browse.ts';
import { addCleanUp } from './commands/clean-up.ts';
import { addDrill } from './commands/drill/drill.ts';
import { addFinalize } from './commands/finalize.ts';
import { addKeep } from './commands/keep.ts';
import { addMakeRoom } from './commands/make-room.ts';
import { addOrphans } from './commands/orphans.ts';
import { addProve } from './commands/prove.ts';
import { addRestore } from './commands/restore/restore.ts';
import { addSessions } from './commands/sessions.ts';
import { addShow } from './commands/show.ts';
import { addSitePin } from './commands/site-pin.ts';
import { addSiteShow } from './commands/site-show.ts';
import { addStart } from './commands/start.ts';
import { addStop } from './commands/stop.ts';
import { addTargetPin } from './commands/target-pin.ts';
import { addTargetShow } from './commands/target-show.ts';
import { addThrottle } from './commands/throttle.ts';
import { addVaultInit } from './commands/vault-init.ts';
import { addVaultList } from './commands/vault-list.ts';
import { addWatch } from './commands/watch.ts';
import { configPath } from './config.ts';
import { createContext } from './context.ts';
import { ClientError } from './errors/client-error.ts';
import { ExitCode } from './errors/exit-code.ts';
import { type Explanation, explain } from './errors/explain.ts';
import { processTerminal, type Terminal } from './terminal.ts';
import { printable } from './views/table.ts';

interface GlobalOptions {
  readonly json?: boolean;
  readonly profile?: string;
}

const epilogue = `
Processes of a site:
  worker            run the worker of a site (rundirect worker --help)
  gateway           run the NFS gateway of a site (rundirect gateway --help)
  lab               a vSphere to play with, on this machine (rundirect lab --help)

Exit codes: 0 done; 1 failed; 2 the command line is wrong; 130 interrupted.
Where Temporal is: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, or a profile of Temporal's own temporal.toml (--profile).
With --json, standard output holds JSON alone: one document, or for backup, clean-up, drill run, finalize, keep, prove,
restore, start and watch an event a line with the result last. A failure is {"error": …}. Words for people go to standard error.

A first session:
  $ rundirect site pin
  $ rundirect vault init --vault /backups/vault
  $ rundirect backup --vault /backups/vault --set nightly /vms/web01
  $ rundirect start --vault /backups/vault --set nightly --vm web01 --target esx1.example --user root
  $ rundirect finalize web01-k3v9q2m4xa --datastore vmfs01     (or: rundirect stop web01-k3v9q2m4xa)`;

/** All commands; `act` runs what they do. */
function buildProgram(act: Act): Command {
  const program = new Command('rundirect')
    .description('Powers a VMware VM up in seconds, straight from its backup.')
    .version(packageJson.version)
    .option('--json', 'print JSON for scripts')
    .option('--profile <name>', "profile of Temporal's configuration file")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  program.commandsGroup('Sessions:');
  addStart(program, act);
  addSessions(program, act);
  addShow(program, act);
  addWatch(program, act);
  addKeep(program, act);
  addFinalize(program, act);
  addAnswer(program, act);
  addMakeRoom(program, act);
  addStop(program, act);
  addOrphans(program, act);
  addCleanUp(program, act);
  addDrill(program, act);
  addRestore(program, act);
  addThrottle(program, act);
  addBrowse(program, act);
  program.commandsGroup('Backups:');
  addBackup(program, act);
  const vault = program
    .command('vault')
    .summary('make and list vaults')
    .description('Makes and lists vaults.');
  addVaultInit(vault, act);
  addVaultList(vault, act);
  program.commandsGroup('Trust:');
  const site = program
    .command('site')
    .summary("a site's key")
    .description('The keys that secrets are sealed to.');
  addSiteShow(site, act);
  addSitePin(site, act);
  const target = program
    .command('target')
    .summary("a target's certificate")
    .description('The certificates of targets.');
  addTargetShow(target, act);
  addTargetPin(target, act);
  addProve(program, act);
  program.addHelpText('after', epilogue);
  return program;
}

/** Tells a failure to whoever reads: words on standard error, a document in JSON mode. */
function tell(terminal: Terminal, explanation: Explanation, event: boolean): void {
  const { type, message, hint, findings } = explanation;
  const error = {
    type,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(findings.length === 0 ? {} : { findings }),
  };
  terminal.document(event ? { event: 'error', error } : { error });
  // Several findings come in one message, too, for those who read no details; a single error is the message.
  const isOne = findings.some((each) => each.message === message);
  const listed = type === 'PreflightFailed' && findings.length > 0 && !isOne;
  terminal.note(`rundirect: ${listed ? 'preflight found what stands in the way' : printable(message)}`);
  for (const finding of findings.filter((each) => each.message !== message)) {
    terminal.note(`  ${finding.severity} ${finding.code}: ${printable(finding.message)}`);
  }
  if (hint !== undefined) terminal.note(printable(hint));
}

/** The session that a command was given, by name: the hints of others' failures say SESSION. */
function sessionOf(command: Command): string | undefined {
  const place = command.registeredArguments.findIndex((argument) => argument.name() === 'session');
  return command.args[place];
}

/** Commands whose JSON is a line for each event. */
const followers: ReadonlySet<string> = new Set([
  'backup',
  'clean-up',
  'disk',
  'finalize',
  'keep',
  'prove',
  'run',
  'start',
  'vm',
  'watch',
]);

/**
 * Runs one command line (without node and script). Never throws; answers the exit code. `interrupted` is aborted
 * by the first Ctrl-C.
 */
export async function runCommandLine(argv: readonly string[], interrupted: AbortSignal): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.ok;
  let terminal = processTerminal(argv.includes('--json'));
  let event = false;
  let session: string | undefined;
  const act: Act =
    (run) =>
    async (...args) => {
      const command = args.at(-1) as Command;
      const { json = false, profile } = command.optsWithGlobals<GlobalOptions>();
      terminal = processTerminal(json);
      event = followers.has(command.name());
      session = sessionOf(command);
      await using context = createContext({ terminal, configPath: configPath(), interrupted, profile });
      exitCode = (await run(context, ...args)) ?? ExitCode.ok;
    };
  try {
    await buildProgram(act).parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has already said what is wrong.
      if (error.exitCode === 0) return ExitCode.ok;
      terminal.document({ error: { type: 'Usage', message: error.message.replace(/^error: /, '') } });
      return ExitCode.usage;
    }
    const interruption = interrupted.aborted && !(error instanceof ClientError);
    const explanation = explain(
      interruption ? new ClientError('Interrupted', 'interrupted') : error,
      session,
    );
    tell(terminal, explanation, event);
    return explanation.exitCode;
  }
}
