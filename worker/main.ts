// `rundirect worker`: runs sessions (Workflows) and a site's steps (Activities) for one Temporal.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { createActivities } from '../activities/index.ts';
import { DEFAULT_PARALLEL_MIGRATIONS } from '../contract/index.ts';
import { composeEngines, siteStateDirectory } from './compose.ts';
import { ConfigError, parseConfig, temporalSettings } from './config.ts';
import { openLog } from './logging.ts';
import { runWorker } from './run.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const examples = `
Examples:
  $ rundirect worker                                   site "main", Temporal at localhost:7233
  $ rundirect worker --site paris --activities-only    a branch: its steps run here, Workflows elsewhere
  $ rundirect worker --parallel-migrations 4           for storage that takes more than two migrations at a time
  $ TEMPORAL_ADDRESS=temporal.example:7233 rundirect worker --site main --allow 10.1.0.0/24

The worker and the gateway of a site share the site's state folder. Temporal's own profiles and variables say
where Temporal is (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, temporal.toml). SIGTERM ends it; running
VMs are not touched by that.`;

interface Flags {
  readonly site: string;
  readonly state?: string;
  readonly allow: string[];
  readonly activitiesOnly: boolean;
  readonly parallelMigrations: number;
  readonly address?: string;
  readonly namespace?: string;
  readonly profile?: string;
  readonly json: boolean;
}

const program = new Command('rundirect worker')
  .description('Run the worker of a site')
  .option('--site <name>', 'the site whose steps run here', 'main')
  .option('--state <folder>', "the site's state folder, shared with its gateway (default: the user's own)")
  .option('--allow <range...>', "addresses or CIDR ranges that may mount, besides the hosts' own", [])
  .option('--activities-only', 'run the steps of the site and no Workflows', false)
  .option(
    '--parallel-migrations <number>',
    'migrations to one datastore at a time, of all sessions of the site',
    Number,
    DEFAULT_PARALLEL_MIGRATIONS,
  )
  .option('--address <host:port>', 'where Temporal is, instead of what its profile says')
  .option('--namespace <name>', "Temporal's namespace, instead of what its profile says")
  .option('--profile <name>', "profile of Temporal's configuration")
  .option('--json', 'print one line of JSON when ready', false)
  .addHelpText('after', examples)
  .showHelpAfterError('(rundirect worker --help shows examples)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE))
  .action(main);

async function main(flags: Flags): Promise<void> {
  const config = parseConfig({
    ...flags,
    stateDirectory: resolve(flags.state ?? siteStateDirectory(flags.site)),
  });
  const temporal = temporalSettings(config);
  const log = openLog(config.site);
  await using engines = await composeEngines(config);
  const { siteKey } = engines.deps;
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  await runWorker({
    site: config.site,
    temporal,
    activities: createActivities(engines.deps),
    activitiesOnly: config.activitiesOnly,
    log,
    signal: ending.signal,
    onReady: (taskQueues) => {
      const { address, namespace } = temporal;
      const { fingerprint, publicKey } = siteKey;
      const ready = { ready: true, site: config.site, taskQueues, temporal: { address, namespace } };
      const siteKeyShown = { fingerprint, publicKey };
      process.stdout.write(
        flags.json
          ? `${JSON.stringify({ ...ready, siteKey: siteKeyShown })}\n`
          : `Worker of site ${config.site} is ready at Temporal ${address}/${namespace}\n` +
              `Task Queues: ${taskQueues.join(', ')}\nSite key:    ${fingerprint}\n`,
      );
    },
  });
  log.info('the worker has ended');
}

// Whoever read that the worker is ready may be gone, or its disk be full: the worker works all the same.
process.stdout.on('error', () => undefined);

try {
  await program.parseAsync();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const type = error instanceof ConfigError ? 'InvalidInput' : 'Unexpected';
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ error: { type, message } })}\n`);
  process.stderr.write(`rundirect worker: ${message}\n`);
  process.exitCode = error instanceof ConfigError ? EXIT_USAGE : EXIT_FAILED;
}
