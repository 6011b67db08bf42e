// Writes histories of typical sessions to workflows/histories, for the replay test: run it once per release, with
// the release as the argument, and commit what it wrote. Histories of released versions are never rewritten: a
// session may run for months across them.
//
//   node test/capture-histories.ts 0.1.0
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { StartInput } from '../contract/index.ts';
import { FakeWorld, type Fault, type StepName } from './fake-world.ts';
import { openSessionHarness, type SessionHarness, startInput, type TestSession } from './session-harness.ts';
import { eventually } from './temporal.ts';

interface Scenario {
  readonly input?: Partial<StartInput>;
  readonly fault?: readonly [StepName, Fault];
  readonly act: (session: TestSession, world: FakeWorld) => Promise<unknown>;
}

async function untilVerified(session: TestSession): Promise<void> {
  await eventually('verify and guest', async () => {
    const { verify, timings } = await session.status();
    return verify.state !== 'running' && timings.guestReadyMs !== undefined ? true : undefined;
  });
}

const scenarios: Record<string, Scenario> = {
  'run-and-stop': {
    input: { verify: 'beside' },
    act: async (session, world) => {
      await session.untilState('running');
      await untilVerified(session);
      const moref = (await session.status()).vm?.moref ?? '';
      world.change(moref, { powerState: 'poweredOff' });
      await eventually('powered off', async () =>
        (await session.status()).powerState === 'poweredOff' ? true : undefined,
      );
      await session.stop();
    },
  },
  'verify-before-finds-damage': {
    input: { verify: 'before' },
    act: async (session, world) => {
      world.findings = ['web01.rdb: disk web01.vmdk, block 7'];
      await session.handle.result().catch(() => undefined);
    },
  },
  'power-on-fails': {
    fault: ['powerOnVm', 'after'],
    act: (session) => session.handle.result().catch(() => undefined),
  },
  'stopped-while-starting': {
    fault: ['mount', 'hang'],
    act: async (session, world) => {
      await eventually('mount', () => (world.calls.includes('mount') ? true : undefined));
      await session.stop();
    },
  },
  'moved-by-hand': {
    act: async (session, world) => {
      const { vm } = await session.untilState('running');
      world.change(vm?.moref ?? '', { standing: 'partlyMoved' });
      await session.stop().catch(() => undefined);
      await eventually('the watch', () => (world.calls.includes('watchVm') ? true : undefined));
      world.change(vm?.moref ?? '', { standing: 'moved' });
      await session.handle.result();
    },
  },
  'finalized-live': {
    input: { verify: 'beside' },
    act: async (session) => {
      await session.untilState('running');
      await session.finalize();
    },
  },
  'finalized-by-itself': {
    input: { autoMigrate: { datastore: 'prod', vmotion: 'auto' } },
    act: (session) => session.handle.result(),
  },
  'finalize-cancelled-then-finalized': {
    act: async (session, world) => {
      world.migrationEnds = false;
      await session.untilState('running');
      const first = session.finalize().catch(() => undefined);
      await eventually('the migration', () => world.migrating);
      await session.cancelFinalize();
      await first;
      world.migrationEnds = true;
      await session.finalize();
    },
  },
  'finalize-fails-then-stopped': {
    fault: ['finalizePreflight', 'before'],
    act: async (session) => {
      await session.untilState('running');
      await session.finalize().catch(() => undefined);
      await session.stop();
    },
  },
  'finalize-loses-sight-of-its-migration': {
    fault: ['migrateVm', 'after'],
    act: async (session) => {
      await session.untilState('running');
      await session.finalize();
    },
  },
};

/** Names of machines and paths of files are nobody's business. */
function scrubbed(json: string): string {
  return json
    .replaceAll(/"\d+@[^"]*"/g, '"worker"')
    .replaceAll(/"stackTrace": "(?:[^"\\]|\\.)*"/g, '"stackTrace": ""');
}

async function capture(harness: SessionHarness, folder: string, name: string): Promise<void> {
  const { input = {}, fault, act } = scenarios[name] ?? { act: async () => undefined };
  const world = new FakeWorld();
  if (fault !== undefined) world.faults.set(...fault);
  await harness.withSession(startInput(input), world, async (session) => {
    await act(session, world);
    const history = await session.handle.fetchHistory();
    const path = join(folder, `${name}.json`);
    await writeFile(path, `${scrubbed(JSON.stringify(JSON.parse(historyToJSON(history)), undefined, 1))}\n`);
    console.log(path);
  });
}

const release = process.argv[2];
if (release === undefined) throw new Error('give the release: node test/capture-histories.ts 0.1.0');
const folder = join(import.meta.dirname, '..', 'workflows', 'histories', release);
await mkdir(folder, { recursive: true });
const harness = await openSessionHarness();
try {
  for (const name of Object.keys(scenarios)) await capture(harness, folder, name);
} finally {
  await harness.close();
}
