// The CLI as a user runs it: a process of its own, against a real Temporal server, the real Workflows, and a site
// whose steps act on a world in memory. The site opens what was sealed, so that the whole way of a secret is
// walked.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import proto from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  SessionMessage,
  type SiteActivities,
  siteTaskQueue,
  targetSubject,
  WORKFLOW_TASK_QUEUE,
} from '../contract/index.ts';
import { loadSiteKey, type SiteKey } from '../secrets/index.ts';
import { FakeWorld } from '../test/fake-world.ts';
import { eventually, startTemporal } from '../test/temporal.ts';
import { loadWorkflowBundle } from '../worker/workflow-bundle.ts';
import { configPath, writeConfig } from './config.ts';

const PASSPHRASE = 'correct horse battery staple';
const PASSWORD = 'Tr0ub4dor&3';
const FINGERPRINT = 'AB'.repeat(32);
const mainScript = join(import.meta.dirname, 'main.ts');

// Every command is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 });

let directory: string;
let temporal: TestWorkflowEnvironment;
let siteKey: SiteKey;
const workers: Worker[] = [];
const runs: Promise<void>[] = [];
let world: FakeWorld;
/** What the site's Activities were handed, opened as the site opens it. */
let opened: string[];
let override: Partial<SiteActivities>;

const open = (sealed: Parameters<SiteKey['open']>[0], binding: Parameters<SiteKey['open']>[1]): void => {
  opened.push(Buffer.from(siteKey.open(sealed, binding)).toString());
};

/** The fake world's steps, as this test wants them at the moment they are called. */
const activities = Object.fromEntries(
  (Object.keys(new FakeWorld().activities) as (keyof SiteActivities)[]).map((name) => [
    name,
    (input: never): Promise<unknown> => (override[name] ?? siteSteps[name] ?? world.activities[name])(input),
  ]),
);

const siteSteps: Partial<SiteActivities> = {
  siteInfo: async ({ site }) => ({ site, publicKey: siteKey.publicKey, fingerprint: siteKey.fingerprint }),
  targetInfo: async ({ host, port }) => ({ host, port, fingerprint: FINGERPRINT }),
  preflight: async (input) => {
    const { sessionId: workflowId, source, target } = input;
    try {
      open(source.passphrase, { workflowId, purpose: 'set-passphrase', subject: source.backupSet });
      open(target.password, { workflowId, purpose: 'target-password', subject: targetSubject(target) });
    } catch (error) {
      throw ApplicationFailure.nonRetryable(String(error), 'SecretRejected');
    }
    return world.activities.preflight(input);
  },
};

/** Opened as the batch's own preflight opens it, and each session's by its own. */
siteSteps.preflightBatch = async (input) => {
  const { batchId: workflowId, passphrase, password, sessions } = input;
  const [{ source, target } = sessions[0]!] = sessions;
  open(passphrase, { workflowId, purpose: 'set-passphrase', subject: source.backupSet });
  open(password, { workflowId, purpose: 'target-password', subject: targetSubject(target) });
  return world.activities.preflightBatch(input);
};

async function startWorkers(): Promise<void> {
  const connection = temporal.nativeConnection;
  workers.push(
    await Worker.create({
      connection,
      taskQueue: WORKFLOW_TASK_QUEUE,
      workflowBundle: await loadWorkflowBundle(),
    }),
    await Worker.create({
      connection,
      taskQueue: siteTaskQueue('main'),
      activities,
      shutdownGraceTime: 0,
      shutdownForceTime: '2s',
      // A cancel reaches an Activity with the answer to its heartbeat.
      maxHeartbeatThrottleInterval: '100ms',
      defaultHeartbeatThrottleInterval: '100ms',
    }),
  );
  runs.push(...workers.map((worker) => worker.run()));
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rundirect-cli-'));
  [temporal, siteKey] = await Promise.all([startTemporal(), loadSiteKey(directory)]);
  world = new FakeWorld();
  await startWorkers();
  await writeFile(join(directory, 'passphrase'), `${PASSPHRASE}\n`, { mode: 0o600 });
  await writeFile(join(directory, 'password'), PASSWORD, { mode: 0o600 });
});

afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await Promise.all(runs);
  await temporal.teardown();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => {
  world = new FakeWorld();
  opened = [];
  override = {};
});

afterEach(async () => {
  await rm(join(directory, 'rundirect'), { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON documents on standard output; fails where a line is none. */
  documents(): Record<string, unknown>[];
}

interface RunOptions {
  readonly stdin?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Ctrl-C as soon as this appears on standard output or error. */
  readonly interruptAt?: string;
}

const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: directory,
  XDG_CONFIG_HOME: directory,
  TZ: 'UTC',
  TEMPORAL_ADDRESS: temporal.address,
  ...more,
});

async function rundirect(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [mainScript, ...args], {
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let interrupted = options.interruptAt === undefined;
  const look = (): void => {
    if (interrupted || !(stdout + stderr).includes(options.interruptAt ?? '')) return;
    interrupted = true;
    child.kill('SIGINT');
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    look();
  });
  child.stdin.end(options.stdin ?? '');
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const documents = () =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, stdout, stderr, documents };
}

/** The same on a terminal (script(1) makes one): each answer is typed when its question stands there. */
async function atTerminal(
  args: readonly string[],
  dialogue: readonly (readonly [question: string, answer: string])[],
): Promise<{ readonly code: number | null; readonly screen: string }> {
  const words = [process.execPath, mainScript, ...args].map((word) => `'${word}'`);
  // script(1) makes a terminal without a size when it has none itself.
  const command = `stty cols 120 rows 40; exec ${words.join(' ')}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: environment({ TERM: 'xterm', SHELL: '/bin/sh' }),
  });
  let screen = '';
  let answered = 0;
  let from = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    const [question, answer] = dialogue[answered] ?? [];
    const at = question === undefined ? -1 : screen.indexOf(question, from);
    if (question === undefined || at < 0) return;
    answered += 1;
    from = at + question.length;
    child.stdin.write(answer ?? '');
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, screen };
}

/** As `site pin` leaves it. */
const pin = (): Promise<void> =>
  writeConfig(configPath(environment()), {
    version: 1,
    sites: {
      [`${temporal.address}/default/main`]: {
        publicKey: siteKey.publicKey,
        pinnedAt: new Date().toISOString(),
      },
    },
    targets: {},
  });

/** Ends a session that a test is done with. */
async function stopQuietly(sessionId: string): Promise<void> {
  await temporal.client.workflow.getHandle(sessionId).executeUpdate(SessionMessage.stop, { args: [{}] });
}

const startArguments = (...more: string[]): string[] => [
  ...['start', '--vault', '/vault', '--set', 'nightly', '--vm', 'web01', '--target', 'esx1.example'],
  ...['--user', 'root', '--fingerprint', FINGERPRINT],
  ...['--passphrase-file', join(directory, 'passphrase'), '--password-file', join(directory, 'password')],
  ...more,
];

/** Every byte that Temporal has kept of a Workflow. */
async function historyBytes(workflowId: string): Promise<Buffer> {
  const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  return Buffer.from(proto.temporal.api.history.v1.History.encode(history).finish());
}

describe('a session from the command line', () => {
  it('starts, is listed, shown, watched and stopped; Temporal sees no secret', async () => {
    await pin();
    const start = await rundirect(startArguments('--session', 'web01-a'));
    expect(start.stderr).toBe('');
    expect(start.code).toBe(0);
    expect(start.stdout).toContain('web01 runs from its backup, powered on in');
    expect(start.stdout).toMatch(/guest ready +\d.* after the command/);
    expect(opened).toEqual([PASSPHRASE, PASSWORD]);

    const listed = await rundirect(['sessions']);
    expect(listed.stdout).toMatch(/web01-a +web01 +running +esx1\.example:443\/root +nightly +main/);
    const shown = await rundirect(['show', 'web01-a']);
    expect(shown.stdout).toContain('from         nightly/job-2');
    expect(shown.stdout).toContain('Preflight passed');
    const watched = await rundirect(['watch', 'web01-a', '--json']);
    expect(watched.code).toBe(0);
    expect(watched.documents().at(-1)).toMatchObject({ event: 'result', session: { state: 'running' } });

    const stop = await rundirect(['stop', 'web01-a', '--reason', 'test done']);
    expect(stop).toMatchObject({ code: 0, stderr: '' });
    expect(stop.stdout).toContain('Session web01-a is stopped');
    expect(world.leftovers).toEqual([]);

    const again = await rundirect(['stop', 'web01-a', '--json']);
    expect(again.code).toBe(1);
    expect(again.documents()).toMatchObject([{ error: { type: 'SessionEnded' } }]);
    const bytes = await historyBytes('web01-a');
    expect(bytes.includes('web01')).toBe(true);
    for (const secret of [PASSPHRASE, PASSWORD]) expect(bytes.includes(secret)).toBe(false);
  });

  it('tells scripts one event to a line, the result last, and takes both secrets from standard input', async () => {
    await pin();
    const args = startArguments('--session', 'web01-b', '--json', '--verify', 'beside', '--name', 'copy');
    const withoutFiles = args.filter(
      (_, index) => !/-file$/.test(args[index] ?? '') && !/-file$/.test(args[index - 1] ?? ''),
    );
    const start = await rundirect([...withoutFiles, '--passphrase-stdin', '--password-stdin'], {
      stdin: `${PASSPHRASE}\n${PASSWORD}\n`,
    });
    expect(start).toMatchObject({ code: 0, stderr: '' });
    const documents = start.documents();
    expect(documents[0]).toEqual({ event: 'started', sessionId: 'web01-b' });
    expect(documents.at(-1)).toMatchObject({
      event: 'result',
      session: {
        sessionId: 'web01-b',
        state: 'running',
        vm: { name: 'copy' },
        status: 'OK',
        progressPercent: 100,
      },
    });
    expect(
      documents.some(({ event, message }) => event === 'log' && String(message).includes('mounted')),
    ).toBe(true);
    expect(opened).toEqual([PASSPHRASE, PASSWORD]);
    await stopQuietly('web01-b');
  });

  it('is finalized with a short outage, and says how long the guest was away', async () => {
    await pin();
    await rundirect(startArguments('--session', 'web01-short'));
    const flags = ['--vmotion', 'short-outage', '--guest-away', 'shut-down'];
    const done = await rundirect(['finalize', 'web01-short', '--datastore', 'prod', ...flags]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toContain('Shuts the guest down');
    expect(done.stdout).toMatch(
      /its VM is on prod, migrated with a short outage, 1 KiB in .*; the guest was away for /,
    );
    expect((await rundirect(['show', 'web01-short'])).stdout).toMatch(/guest away +\d/);
    world.vms.clear();
  });

  it('is finalized with its progress shown, and scripts get an event a line', async () => {
    await pin();
    await rundirect(startArguments('--session', 'web01-prod', '--detach'));
    const without = await rundirect(['finalize', 'web01-prod']);
    expect(without).toMatchObject({ code: 2 });
    expect(without.stderr).toContain('--datastore');
    const unknown = await rundirect(['finalize', 'web01-prod', '--datastore', 'prod', '--vmotion', 'warm']);
    expect(unknown.code).toBe(2);

    world.migrationEnds = false;
    const detached = await rundirect(['finalize', 'web01-prod', '--datastore', 'prod', '--detach']);
    expect(detached).toMatchObject({ code: 0, stderr: '' });
    await eventually('the migration', () => world.migrating, 30_000);
    const shown = await rundirect(['show', 'web01-prod']);
    expect(shown.stdout).toMatch(
      /finalize +under way to prod, live, 50 % +512 B of 1 KiB +100 B\/s +5\.0 s left/,
    );
    const again = await rundirect(['finalize', 'web01-prod', '--datastore', 'prod', '--json']);
    expect(again.documents().at(-1)).toMatchObject({ event: 'error', error: { type: 'AlreadyFinalizing' } });
    const cancelled = await rundirect(['finalize', 'web01-prod', '--cancel']);
    expect(cancelled.stdout).toContain('runs from the backup as before');

    world.migrationEnds = true;
    const finalized = await rundirect(['finalize', 'web01-prod', '--datastore', 'prod', '--json']);
    expect(finalized).toMatchObject({ code: 0, stderr: '' });
    expect(finalized.documents().at(-1)).toMatchObject({
      ...{ event: 'result', sessionId: 'web01-prod', state: 'finalized', mode: 'live', datastore: 'prod' },
    });
    expect(world.leftovers).toEqual(['VM vm-web01-prod']);
    const late = await rundirect(['finalize', 'web01-prod', '--cancel']);
    expect(late.stderr).toContain('has already ended (finalized)');
  });

  it('goes to production by itself where start says so', async () => {
    await pin();
    const flags = ['--session', 'web01-auto', '--auto-migrate', '--datastore', 'prod'];
    const start = await rundirect(startArguments(...flags));
    expect(start).toMatchObject({ code: 0, stderr: '' });
    expect(start.stdout).toContain('web01 is in production');
    expect(start.stdout).toMatch(/guest away +never/);
  });

  it('does not follow when told to detach, and leaves the VM off when told so', async () => {
    await pin();
    const start = await rundirect(
      startArguments('--session', 'web01-c', '--detach', '--no-power-on', '--json'),
    );
    expect(start.code).toBe(0);
    expect(start.documents().at(-1)).toEqual({ event: 'result', sessionId: 'web01-c' });
    const watched = await rundirect(['watch', 'web01-c', '--json']);
    expect(watched.documents().at(-1)).toMatchObject({ session: { powerState: 'poweredOff' } });
    expect(world.calls).not.toContain('powerOnVm');
    await stopQuietly('web01-c');
  });

  it('ends with the failure of the step that failed, in words and with the way out', async () => {
    await pin();
    override.mount = async () => {
      throw ApplicationFailure.nonRetryable(
        'esx1 refuses: the datastore name is in use',
        'DatastoreConflict',
      );
    };
    const start = await rundirect(startArguments('--session', 'web01-d'));
    expect(start.code).toBe(1);
    expect(start.stderr).toContain('esx1 refuses: the datastore name is in use');
    expect(start.stderr).toContain('points elsewhere on this host');
    expect(world.leftovers).toEqual([]);
    const failed = await rundirect(['sessions', '--state', 'failed', '--json']);
    expect(failed.documents()).toMatchObject([{ sessions: [{ sessionId: 'web01-d', state: 'failed' }] }]);
  });

  it('shows every finding of preflight', async () => {
    await pin();
    override.preflight = async () => {
      const findings = [
        { severity: 'error', code: 'NameTaken', message: 'esx1 has a VM web01 already' },
        { severity: 'warning', code: 'OriginalRunning', message: 'the original is running' },
      ];
      throw ApplicationFailure.nonRetryable('preflight found what stands in the way', 'PreflightFailed', {
        findings,
      });
    };
    const start = await rundirect(startArguments('--session', 'web01-e', '--json'));
    expect(start.code).toBe(1);
    expect(start.stderr).toContain('error NameTaken: esx1 has a VM web01 already');
    expect(start.documents().at(-1)).toMatchObject({
      event: 'error',
      error: { type: 'PreflightFailed', findings: [{ code: 'NameTaken' }, { code: 'OriginalRunning' }] },
    });
  });

  it('shows the one error of preflight, beside a warning', async () => {
    await pin();
    override.preflight = async () => {
      const message = 'web01 runs with the same MAC address';
      const findings = [
        { severity: 'error', code: 'OriginalRunning', message },
        { severity: 'warning', code: 'KeptJob', message: 'the newest job was kept' },
      ];
      throw ApplicationFailure.nonRetryable(message, 'PreflightFailed', { findings });
    };
    const { code, stderr } = await rundirect(startArguments('--session', 'web01-one'));
    expect(code).toBe(1);
    expect(stderr).toContain('rundirect: web01 runs with the same MAC address');
    expect(stderr).toContain('warning KeptJob: the newest job was kept');
  });

  it('goes on without the one who pressed Ctrl-C', async () => {
    await pin();
    world.guestComes = false;
    override.awaitGuest = untilCancelled;
    const start = await rundirect(startArguments('--session', 'web01-f'), { interruptAt: 'is powered on' });
    expect(start.code).toBe(130);
    expect(start.stderr).toContain('the session goes on');
    expect(start.stderr).toContain('rundirect watch web01-f');
    const shown = await rundirect(['show', 'web01-f', '--json']);
    expect(shown.documents()).toMatchObject([{ session: { state: 'running' } }]);
    await stopQuietly('web01-f');
  });

  it('is stopped while it starts, and whoever follows the start learns it', async () => {
    await pin();
    world.faults.set('mount', 'hang');
    const start = rundirect(startArguments('--session', 'web01-h'));
    await eventually('the mount', () => world.calls.includes('mount') || undefined);
    const stop = await rundirect(['stop', 'web01-h', '--json']);
    expect(stop.documents()).toEqual([{ sessionId: 'web01-h', state: 'cancelled' }]);
    const { code, stderr } = await start;
    expect(code).toBe(1);
    expect(stderr).toContain('ended before it ran');
    expect(world.leftovers).toEqual([]);
  });

  it('says what is refused of what nobody waits for', async () => {
    await pin();
    world.faults.set('mount', 'hang');
    await rundirect(startArguments('--session', 'web01-early', '--detach'));
    const finalize = await rundirect([
      'finalize',
      'web01-early',
      '--datastore',
      'prod',
      '--detach',
      '--json',
    ]);
    expect(finalize.code).toBe(1);
    expect(finalize.documents()).toMatchObject([{ event: 'error', error: { type: 'NotRunning' } }]);
    const keep = await rundirect(['keep', 'web01-early', '--detach']);
    expect(keep).toMatchObject({ code: 1, stdout: '' });
    expect(keep.stderr).toContain('does not run yet');
    await stopQuietly('web01-early');
  });

  it('tells what keeps it waiting, once, and goes on', async () => {
    await pin();
    let attempts = 0;
    override.publish = async (input) => {
      attempts += 1;
      if (attempts < 4) throw ApplicationFailure.retryable('no gateway answers', 'GatewayUnavailable');
      return world.activities.publish(input);
    };
    const start = await rundirect(startArguments('--session', 'web01-i'));
    expect(start.code).toBe(0);
    expect(start.stderr).toBe('publish failed and is tried again: no gateway answers\n');
    await stopQuietly('web01-i');
  });

  it('never uses a session id twice', async () => {
    await pin();
    const first = await rundirect(startArguments('--session', 'web01-g', '--detach'));
    expect(first.code).toBe(0);
    const second = await rundirect(startArguments('--session', 'web01-g'));
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('there is, or was, a session web01-g already');
    await rundirect(['watch', 'web01-g']);
    await stopQuietly('web01-g');
  });

  it('tells a session that does not exist', async () => {
    for (const command of ['show', 'watch', 'stop']) {
      const outcome = await rundirect([command, 'nobody-1']);
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toContain('knows no session nobody-1');
    }
  });
});

describe.runIf(process.platform === 'linux')('at a terminal', () => {
  const bare = [
    ...['start', '--vault', '/vault', '--set', 'nightly', '--vm', 'web01', '--target', 'esx1.example'],
    ...['--user', 'root', '--session', 'web01-t'],
  ];

  it('shows key and certificate, asks for the secrets without echo, and remembers whom it trusts', async () => {
    const { code, screen } = await atTerminal(bare, [
      ["what the site's worker printed", 'y'],
      ['Is this the certificate of esx1.example:443', 'y'],
      ['The passphrase of backup set nightly', `${PASSPHRASE}\r`],
      ['The password of esx1.example:443/root', `${PASSWORD}\r`],
    ]);
    expect(screen).toContain(siteKey.fingerprint);
    expect(screen).toContain('AB:AB:AB');
    expect(screen).toContain('web01 runs from its backup');
    expect(code).toBe(0);
    expect(opened).toEqual([PASSPHRASE, PASSWORD]);
    for (const secret of [PASSPHRASE, PASSWORD]) expect(screen).not.toContain(secret.slice(0, 5));
    const config = await readFile(join(directory, 'rundirect', 'config.json'), 'utf8');
    expect(config).toContain(siteKey.publicKey);
    expect(config).toContain(FINGERPRINT);
    await stopQuietly('web01-t');
  });

  it('starts nothing when the question is left with Ctrl-C', async () => {
    const { code, screen } = await atTerminal(bare, [["what the site's worker printed", '\u0003']]);
    expect(code).toBe(130);
    expect(screen).toContain('interrupted');
    expect(world.calls).not.toContain('preflight');
  });

  it("has a new set's passphrase typed twice", async () => {
    await pin();
    const backup = ['backup', '--vault', '/vault', '--set', 'nightly', '/vms/web01'];
    const { code, screen } = await atTerminal(backup, [
      ['The passphrase of the new backup set nightly', 'one\r'],
      ['The same passphrase once more', 'two\r'],
    ]);
    expect(screen).toContain('the two passphrases differ');
    expect(code).toBe(1);
    expect(world.calls).not.toContain('backup');
  });
});

describe('several VMs from the command line', () => {
  it('run as a batch with one secret each, are listed, shown and watched, and are stopped', async () => {
    await pin();
    const start = await rundirect(
      startArguments('--vm', 'db01', 'app01', '--name', '{vm}-test', '--session', 'trio'),
    );
    expect(start).toMatchObject({ code: 0, stderr: '' });
    expect(start.stdout).toMatch(/^web01-test +trio-1 +running +\d/m);
    expect(start.stdout).toMatch(/^app01-test +trio-3 +running +\d/m);
    expect(opened.filter((secret) => secret === PASSPHRASE)).toHaveLength(4);
    expect(opened.filter((secret) => secret === PASSWORD)).toHaveLength(4);
    for (const id of ['trio', 'trio-1']) {
      const bytes = await historyBytes(id);
      for (const secret of [PASSPHRASE, PASSWORD]) expect(bytes.includes(secret)).toBe(false);
    }

    expect((await rundirect(['sessions'])).stdout).toMatch(/trio-2 +db01 +running .* trio$/m);
    const shown = await rundirect(['show', 'trio', '--json']);
    expect(shown.documents()).toMatchObject([{ batch: { batchId: 'trio', state: 'running' } }]);
    expect((await rundirect(['show', 'trio'])).stdout).toMatch(/db01-test +trio-2 +running/);
    expect((await rundirect(['show', 'trio-2'])).stdout).toContain('db01-test');
    const watched = await rundirect(['watch', 'trio', '--json']);
    expect(watched.documents().at(-1)).toMatchObject({ event: 'result', batch: { state: 'running' } });

    for (const [command = '', ...more] of [['keep'], ['answer'], ['pause'], ['make-room', '1GiB']]) {
      const refused = await rundirect([command, 'trio', ...more]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('trio is a batch: its VMs are');
    }

    const one = await rundirect(['stop', 'trio', '--only', 'trio-2', '--json']);
    expect(one.documents()).toMatchObject([
      { batchId: 'trio', vms: [{ vmName: 'db01-test', state: 'stopped' }] },
    ]);
    const rest = await rundirect(['stop', 'trio']);
    expect(rest).toMatchObject({ code: 0, stderr: '' });
    expect(rest.stdout).toMatch(/web01-test +trio-1 +stopped/);
    expect(rest.stdout).not.toContain('trio-2 ');
    expect(world.leftovers).toEqual([]);
    const again = await rundirect(['stop', 'trio', '--json']);
    expect(again).toMatchObject({ code: 0 });
    expect(again.documents()).toMatchObject([
      { vms: [{ state: 'stopped' }, { state: 'stopped' }, { state: 'stopped' }] },
    ]);
  });

  it('are finalized one as the other, and end with 1 and a table where one is broken', async () => {
    await pin();
    world.broken.add('db01');
    const start = await rundirect(startArguments('--vm', 'db01', 'app01', '--session', 'pair', '--json'));
    expect(start.code).toBe(1);
    expect(start.documents().at(-1)).toMatchObject({
      event: 'result',
      batch: {
        vms: [
          { state: 'running', jobId: 'job-2' },
          { state: 'notStarted', failure: { type: 'ChainBroken', message: 'db01 lacks a file' } },
          { state: 'running' },
        ],
      },
    });
    const named = await rundirect(['finalize', 'pair', '--datastore', 'prod', '--name', 'x']);
    expect(named).toMatchObject({ code: 2 });
    const finalized = await rundirect(['finalize', 'pair', '--datastore', 'prod']);
    expect(finalized).toMatchObject({ code: 0, stderr: '' });
    expect(finalized.stdout).toMatch(/web01 +pair-1 +finalized/);
    const shown = await rundirect(['show', 'pair']);
    expect(shown.stdout).toMatch(/db01 +pair-2 +not started/);
    expect(shown.stdout).toContain('ChainBroken: db01 lacks a file');
  });

  it('are those of the job where all are asked for, and migrated at once where start says so', async () => {
    await pin();
    const vm = (name: string) => ({ name, disks: [] });
    const job = { kind: 'full' as const, createdAt: '2026-01-01T00:00:00.000Z', storedBytes: 1 };
    override.vaultList = async ({ vault }) => {
      const jobs = [
        { ...job, jobId: 'job-1', vms: [vm('old')] },
        { ...job, jobId: 'job-2', vms: [vm('web01'), vm('db01')] },
      ];
      return { vault, vaultId: 'v', backupSets: [{ name: 'nightly', createdAt: job.createdAt, jobs }] };
    };
    const without = startArguments().filter((arg) => !['--vm', 'web01'].includes(arg));
    const flags = ['--auto-migrate', '--datastore', 'prod', '--session', 'everything'];
    const start = await rundirect([...without, '--all', ...flags, '--json']);
    expect(start).toMatchObject({ code: 0, stderr: '' });
    expect(start.documents()[0]).toMatchObject({
      event: 'started',
      batchId: 'everything',
      sessions: [{ vm: 'web01' }, { vm: 'db01' }],
    });
    expect(start.documents().at(-1)).toMatchObject({
      batch: { vms: [{ state: 'finalized' }, { state: 'finalized' }] },
    });
    const unknown = await rundirect([...without, '--all', '--job', 'job-9']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('job-9');
  });

  it.each([
    [['--vm', 'web01'], 'asked for twice'],
    [['--vm', 'db01', '--name', 'same'], 'say {vm} in it'],
    [['--all'], '--all'],
  ])('are refused where they make no batch: %j', async (more, words) => {
    await pin();
    const refused = await rundirect(startArguments(...more));
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(words);
  });
});

describe('trust', () => {
  it('seals to no key that nobody has compared', async () => {
    const outcome = await rundirect(startArguments());
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('rundirect site pin --site main --fingerprint SHA256:');
  });

  it('pins the key whose fingerprint was given, and no other', async () => {
    const other = `SHA256:${'A'.repeat(43)}`;
    const wrong = await rundirect(['site', 'pin', '--fingerprint', other]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(siteKey.fingerprint);
    const unseen = await rundirect(['site', 'pin']);
    expect(unseen.code).toBe(1);
    const right = await rundirect(['site', 'pin', '--fingerprint', siteKey.fingerprint, '--json']);
    expect(right.documents()).toMatchObject([
      { site: 'main', fingerprint: siteKey.fingerprint, pinned: true },
    ]);
    const path = join(directory, 'rundirect', 'config.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const shown = await rundirect(['site', 'show', '--json']);
    expect(shown.documents()).toMatchObject([{ pinned: true }]);
  });

  it('refuses a changed key loudly, and what was sealed to the old one does not open', async () => {
    await rundirect(['site', 'pin', '--yes']);
    const path = join(directory, 'rundirect', 'config.json');
    const changed = (await readFile(path, 'utf8')).replace(
      siteKey.publicKey,
      Buffer.alloc(32, 9).toString('base64'),
    );
    await writeFile(path, changed);
    for (const args of [
      ['site', 'show'],
      ['site', 'pin', '--yes'],
    ]) {
      const outcome = await rundirect(args);
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toContain('THE KEY OF SITE main HAS CHANGED');
    }
    const start = await rundirect(startArguments('--json'));
    expect(start.code).toBe(1);
    expect(start.documents().at(-1)).toMatchObject({ error: { type: 'SecretRejected' } });
    expect(start.stderr).toContain('rundirect site pin');
  });

  it('shows the certificate of a target, and asks nobody in a script', async () => {
    const shown = await rundirect(['target', 'show', '[::1]:8443', '--json']);
    expect(shown.documents()).toEqual([{ host: '::1', port: 8443, fingerprint: FINGERPRINT, pinned: null }]);
    await pin();
    const args = startArguments();
    const at = args.indexOf('--fingerprint');
    const start = await rundirect([...args.slice(0, at), ...args.slice(at + 2)]);
    expect(start.code).toBe(1);
    expect(start.stderr).toContain('rundirect target pin esx1.example:443');
  });
});

describe('vault and backup', () => {
  it('makes a vault and lists what is in it', async () => {
    const made = await rundirect(['vault', 'init', '--vault', '/vault', '--json']);
    expect(made.documents()).toEqual([{ vault: '/vault', vaultId: 'v-1' }]);
    const empty = await rundirect(['vault', 'list', '--vault', '/vault']);
    expect(empty.stdout).toContain('holds no backups yet');
    override.vaultList = async ({ vault }) => ({
      vault,
      vaultId: 'v-1',
      backupSets: [
        {
          name: 'nightly',
          createdAt: '2026-01-01T00:00:00.000Z',
          jobs: [
            {
              jobId: 'job-1',
              kind: 'full',
              createdAt: '2026-01-01T01:02:03.000Z',
              vms: [{ name: 'web01', disks: [{ name: 'a.vmdk', sizeBytes: 1024 ** 3, storedBytes: 4096 }] }],
              storedBytes: 4096,
            },
          ],
        },
      ],
    });
    const listed = await rundirect(['vault', 'list', '--vault', '/vault']);
    expect(listed.stdout).toMatch(/nightly +job-1 +full +2026-01-01 01:02 +web01 +1 +1 GiB +4 KiB/);
  });

  it('says what cannot be reached as soon as the site knows it, and tries nothing again', async () => {
    let asked = 0;
    override.vaultList = async () => {
      asked += 1;
      throw ApplicationFailure.retryable('/vault: host is down', 'DestinationUnavailable');
    };
    const listed = await rundirect(['vault', 'list', '--vault', '/vault', '--json']);
    expect(listed.code).toBe(1);
    expect(listed.documents()).toMatchObject([{ error: { type: 'DestinationUnavailable' } }]);
    expect(asked).toBe(1);
  });

  it('backs up with the passphrase sealed for this backup alone, and tells what is wrong beside it', async () => {
    await pin();
    override.backup = async (input) => {
      const workflowId = Context.current().info.workflowExecution?.workflowId ?? '';
      open(input.passphrase, { workflowId, purpose: 'set-passphrase', subject: input.backupSet });
      return { ...(await world.activities.backup(input)), warnings: ['job 000002 is damaged'] };
    };
    const args = ['backup', '--vault', '/vault', '--set', 'nightly', '/vms/web01', '--passphrase-stdin'];
    const backup = await rundirect([...args, '--json'], { stdin: `${PASSPHRASE}\n` });
    expect(backup).toMatchObject({ code: 0, stderr: 'warning: job 000002 is damaged\n' });
    expect(backup.documents().at(-1)).toMatchObject({
      event: 'result',
      result: { jobId: 'job-1', newSet: true, warnings: ['job 000002 is damaged'] },
    });
    expect(opened).toEqual([PASSPHRASE]);
  });

  it('cancels a backup at Ctrl-C', async () => {
    await pin();
    override.backup = untilCancelled;
    const passphrase = ['--passphrase-file', join(directory, 'passphrase')];
    const backup = await rundirect(
      ['backup', '--vault', '/vault', '--set', 'nightly', '/vms/web01', '--json', ...passphrase],
      { interruptAt: '"phase":"waiting"' },
    );
    expect(backup.code).toBe(130);
    expect(backup.documents().at(-1)).toMatchObject({ event: 'error', error: { type: 'Interrupted' } });
  });
});

describe('what goes wrong before anything starts', () => {
  it.concurrent('names the site whose worker is missing', async ({ expect }) => {
    const outcome = await rundirect(['vault', 'list', '--vault', '/vault', '--site', 'branch']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('no worker of site branch');
    expect(outcome.stderr).toContain('rundirect worker --site branch');
  });

  it.concurrent('tells a failure as an event where the result would be one', async ({ expect }) => {
    const wanted = startUsage('--disk', 'scsi0:0', '--to-vm', 'x', '--site', 'branch', '--json').slice(1);
    const outcome = await rundirect(['restore', 'disk', ...wanted]);
    expect(outcome.documents()).toMatchObject([{ event: 'error', error: { type: 'NoWorker' } }]);
  });

  it.concurrent('says what ends a proof that still runs, where its round is to be cleaned up', async ({
    expect,
  }) => {
    const workflowId = 'prove-k3v9q2m4xa';
    const proof = await temporal.client.workflow.start('prove', { workflowId, taskQueue: 'nobody' });
    const outcome = await rundirect(['clean-up', `${workflowId}-live-1`]);
    expect(outcome.stderr).toContain(`temporal workflow cancel --workflow-id ${workflowId}`);
    await proof.terminate();
  });

  it.concurrent('says that nobody takes it up where Temporal still lists a worker that is gone', async ({
    expect,
  }) => {
    const connection = temporal.nativeConnection;
    const worker = await Worker.create({ connection, taskQueue: siteTaskQueue('gone'), activities });
    await worker.runUntil(async () => {
      await rundirect(['vault', 'list', '--vault', '/vault', '--site', 'gone']);
    });
    const outcome = await rundirect(['vault', 'list', '--vault', '/vault', '--site', 'gone'], {
      interruptAt: 'takes up',
    });
    expect(outcome.stderr).toContain(
      'no worker of site gone takes up vaultList; start one there: rundirect worker --site gone',
    );
    expect(outcome.code).toBe(130);
  });

  it.concurrent('names the address where Temporal does not answer', async () => {
    const port = await freePort();
    const outcome = await rundirect(['sessions', '--json'], {
      env: { TEMPORAL_ADDRESS: `127.0.0.1:${port}` },
    });
    expect(outcome.code).toBe(1);
    expect(outcome.documents()).toMatchObject([{ error: { type: 'TemporalUnreachable' } }]);
    expect(outcome.stderr).toContain(`127.0.0.1:${port}`);
  });

  it.concurrent('names a namespace that Temporal does not have', async ({ expect }) => {
    const outcome = await rundirect(['sessions'], { env: { TEMPORAL_NAMESPACE: 'elsewhere' } });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('Temporal has no namespace elsewhere');
  });

  it.concurrent.each([
    ['an unknown command', ['strat'], 'Did you mean start?'],
    ['a missing option', ['vault', 'list'], '--vault'],
    ['a relative vault', ['vault', 'list', '--vault', 'here'], 'absolute folder'],
    ['a secret as an argument', startUsage('--password', 'x'), "unknown option '--password'"],
    ['a bad duration', startUsage('--guest-timeout', 'soon'), '90s, 5m or 1h30m'],
    ['flags that do not go together', startUsage('--auto-migrate'), '--datastore'],
    ['a name that no VM may have', startUsage('--name', 'x'.repeat(81)), '--name'],
    ['a name of two lines', startUsage('--name', 'a\nb'), 'no line breaks'],
    [
      'disks that nobody may mount',
      ['browse', 'open', '--vault', '/v', '--set', 's', '--vm', 'w'],
      "option '--allow <address>' not specified",
    ],
    ['a bad target', ['target', 'show', 'esx:99999'], 'HOST or HOST:PORT'],
    [
      'two sources of one secret',
      startUsage('--password-file', 'a', '--password-stdin'),
      'cannot be used with',
    ],
  ])('ends with exit code 2 for %s', async (_, args, words) => {
    const outcome = await rundirect([...args, '--json']);
    expect(outcome.stderr).toContain(words);
    expect(outcome.code).toBe(2);
    expect(outcome.documents()).toMatchObject([{ error: { type: 'Usage' } }]);
  });

  it('refuses an empty secret', async () => {
    await pin();
    await writeFile(join(directory, 'empty'), '\n', { mode: 0o600 });
    const outcome = await rundirect(startArguments('--passphrase-file', join(directory, 'empty')));
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('the passphrase is empty');
  });
});

function startUsage(...more: string[]): string[] {
  return ['start', '--vault', '/v', '--set', 's', '--vm', 'w', '--target', 'e', '--user', 'u', ...more];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 1;
}

/** An Activity that works until nobody wants it any more. */
async function untilCancelled(): Promise<never> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 50);
  try {
    return await context.cancelled;
  } finally {
    clearInterval(beat);
  }
}
