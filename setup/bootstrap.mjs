// The first part of set-up, in plain JavaScript for the Node that the machine has (18 or newer): it installs
// the dependencies exactly as package-lock.json names them, Node 24 among them, and goes on in setup/main.ts.
//
//   node setup/bootstrap.mjs                  everything
//   node setup/bootstrap.mjs dependencies     the npm packages alone
//
// Two set-ups of one user never run at once: the whole of it holds one lock, kept by flock(1) and so by the
// kernel, which lets go when the process ends, however it ends. Without flock(1) it runs unlocked.
//
// `npm ci` is not used: it refuses a lockfile that was written where the registry lacks packages that are
// optional and for other platforms. `npm install` takes the locked versions and checks the locked digests
// just the same; that it left package.json and package-lock.json alone is checked afterwards.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const LOCKED = 'RUNDIRECT_SETUP_LOCKED';
const INSTALL_LIMIT_MS = 15 * 60_000;

class SetupError extends Error {}

const inCheckout = (...parts) => path.join(checkout, ...parts);
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** Runs this file again under the user's set-up lock; its exit code is ours. */
function runLocked() {
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'rundirect');
  mkdirSync(cache, { recursive: true });
  const lock = path.join(cache, 'setup.lock');
  const again = [process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, [LOCKED]: '1' };
  const busy = 75;
  const tryOnce = spawnSync('flock', ['-n', '-o', '-E', String(busy), lock, ...again], {
    stdio: 'inherit',
    env,
  });
  if (tryOnce.error?.code === 'ENOENT') return spawnSync(again[0], again.slice(1), { stdio: 'inherit', env });
  if (tryOnce.status !== busy) return tryOnce;
  console.log('  … another set-up of this user is running: waiting for it');
  return spawnSync('flock', ['-o', lock, ...again], { stdio: 'inherit', env });
}

/** Why what npm has installed is not what the lockfile says, or undefined if it is. */
function whyNotAsLocked() {
  const lock = readJson(inCheckout('package-lock.json'));
  const manifest = readJson(inCheckout('package.json'));
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    const wanted = Object.entries(manifest[kind] ?? {}).sort();
    const locked = Object.entries(lock.packages[''][kind] ?? {}).sort();
    if (JSON.stringify(wanted) !== JSON.stringify(locked))
      throw new SetupError(
        `package.json and package-lock.json disagree on ${kind}. Run \`npm install\` and commit both.`,
      );
  }
  if (!existsSync(inCheckout('node_modules', '.package-lock.json'))) return 'nothing is installed yet';
  const installed = readJson(inCheckout('node_modules', '.package-lock.json')).packages;
  for (const [name, entry] of Object.entries(lock.packages)) {
    if (name === '') continue;
    const found = installed[name];
    if (!found && entry.optional) continue;
    if (!found || found.version !== entry.version || found.integrity !== entry.integrity)
      return `${name} is not installed as locked`;
  }
  const extra = Object.keys(installed).find((name) => !(name in lock.packages));
  if (extra) return `${extra} is installed but not locked`;
  if (!findsNode24()) return 'Node 24 is not there';
  return undefined;
}

function findsNode24() {
  return spawnSync(inCheckout('setup', 'node24'), ['--version'], { stdio: 'ignore' }).status === 0;
}

function installDependencies() {
  const files = ['package.json', 'package-lock.json'].map((name) => inCheckout(name));
  const before = files.map((file) => readFileSync(file, 'utf8'));
  const npmArguments = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  // Under `npm run` this is the npm that runs us; otherwise the one on the PATH.
  const npmCli = process.env.npm_execpath;
  const [command, ...args] = npmCli?.endsWith('.js') ? [process.execPath, npmCli] : ['npm'];
  const done = spawnSync(command, [...args, ...npmArguments], {
    cwd: checkout,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: INSTALL_LIMIT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.status !== 0) {
    const reason = done.error?.message ?? `${done.stdout}${done.stderr}`.trim();
    throw new SetupError(`npm ${npmArguments.join(' ')} failed in ${checkout}:\n${reason}`);
  }
  if (files.some((file, index) => readFileSync(file, 'utf8') !== before[index]))
    throw new SetupError(
      'npm changed package.json or package-lock.json, so what it installed is not what is locked. ' +
        'Look at `git diff package-lock.json`; restore it, or commit it if the change is meant.',
    );
  const stillWrong = whyNotAsLocked();
  if (stillWrong)
    throw new SetupError(
      `npm install ended well, but ${stillWrong}. ` +
        'If it is Node: npm may have been told to skip install scripts (ignore-scripts); ' +
        'allow the one of the package `node`, or put Node 24 on the PATH.',
    );
}

function dependenciesStep() {
  const startedMs = Date.now();
  const reason = whyNotAsLocked();
  if (reason) {
    console.log(`  … npm packages: installing as locked (${reason})`);
    installDependencies();
  }
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(
    `  ✓ ${'npm packages'.padEnd(20)} ${(reason ? 'installed' : 'cached').padEnd(10)} ${seconds.padStart(6)} s`,
  );
}

function main() {
  if (process.env[LOCKED] !== '1') {
    const done = runLocked();
    if (done.error) throw done.error;
    return done.status ?? 1;
  }
  dependenciesStep();
  if (process.argv[2] === 'dependencies') return 0;
  // NODE_USE_ENV_PROXY: downloads go through the proxy that the environment names, as npm's do.
  const rest = spawnSync(inCheckout('setup', 'node24'), [inCheckout('setup', 'main.ts')], {
    stdio: 'inherit',
    env: { ...process.env, NODE_USE_ENV_PROXY: '1' },
  });
  if (rest.error) throw rest.error;
  return rest.status ?? 1;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(error instanceof SetupError ? `  ✗ ${error.message}` : error);
  process.exitCode = 1;
}
