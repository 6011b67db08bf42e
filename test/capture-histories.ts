// Writes histories of typical Workflows to workflows/histories, for the replay test: run it once per release, with
// the release as the argument, and commit what it wrote. Histories of released versions are never rewritten: a
// session may run for months across them.
//
//   node test/capture-histories.ts 0.1.0
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import {
  BrowseMessage,
  drillWorkflowId,
  type StartInput,
  WORKFLOW_TASK_QUEUE,
  WorkflowType,
} from '../contract/index.ts';
import { batchInput, isUp, withBatch } from './batch-harness.ts';
import { FakeWorld, type Fault, type StepName } from './fake-world.ts';
import {
  atSite,
  openSessionHarness,
  type SessionHarness,
  type SessionInput,
  type SessionWorkflow,
  startInput,
  type TestSession,
} from './session-harness.ts';
import { eventually } from './temporal.ts';
import {
  browseInput,
  cleanUpInput,
  drillInput,
  proveInput,
  restoreDiskInput,
  restoreInput,
} from './workflow-inputs.ts';

/** Answers the Workflow whose history is kept, when it has ended. */
type Scenario = (harness: SessionHarness, world: FakeWorld) => Promise<WorkflowHandle>;
type Act = (session: TestSession, world: FakeWorld) => Promise<unknown>;

const session =
  (act: Act, input: Partial<StartInput> = {}): Scenario =>
  (harness, world) =>
    harness.withSession(startInput(input), world, async (started) => {
      await act(started, world);
      return started.handle;
    });

/** Of a session that runs. */
const running = (act: Act, input?: Partial<StartInput>): Scenario =>
  session(async (started, world) => {
    await started.untilState('running');
    await act(started, world);
  }, input);

const of =
  (type: SessionWorkflow, input: SessionInput, act: Act): Scenario =>
  (harness, world) =>
    harness.withSession(
      input,
      world,
      async (started) => {
        await act(started, world);
        return started.handle;
      },
      type,
    );

const restore = (act: Act): Scenario =>
  of(WorkflowType.restore, restoreInput({ powerOn: true, verify: 'beside' }), act);

const failing =
  (step: StepName, fault: Fault, scenario: Scenario): Scenario =>
  (harness, world) => {
    world.faults.set(step, fault);
    return scenario(harness, world);
  };

/** Where nothing is migrated by the target. */
const onHostAlone =
  (scenario: Scenario): Scenario =>
  (harness, world) => {
    world.isHostAlone = true;
    return scenario(harness, world);
  };

const ended: Act = (started) => started.handle.result().catch(() => undefined);
const called = (world: FakeWorld, step: StepName): Promise<true> =>
  eventually(step, () => (world.calls.includes(step) ? true : undefined));

async function untilVerified(started: TestSession): Promise<void> {
  await eventually('verify and guest', async () => {
    const { verify, timings } = await started.status();
    return verify.state !== 'running' && timings.guestReadyMs !== undefined ? true : undefined;
  });
}

const scenarios: Record<string, Scenario> = {
  'run-and-stop': running(
    async (started, world) => {
      await untilVerified(started);
      world.change((await started.status()).vm?.moref ?? '', { powerState: 'poweredOff' });
      await eventually('powered off', async () =>
        (await started.status()).powerState === 'poweredOff' ? true : undefined,
      );
      await started.stop();
    },
    { verify: 'beside' },
  ),
  'verify-before-finds-damage': session(
    (started, world) => {
      world.findings = ['web01.rdb: disk web01.vmdk, block 7'];
      return ended(started, world);
    },
    { verify: 'before' },
  ),
  'power-on-fails': failing('powerOnVm', 'after', session(ended)),
  'stopped-while-starting': failing(
    'mount',
    'hang',
    session(async (started, world) => {
      await called(world, 'mount');
      await started.stop();
    }),
  ),
  'runs-with-its-changes-in-production': running((started) => started.stop(), {
    changes: { datastore: 'vmfs02' },
  }),
  'moved-by-hand': running(async (started, world) => {
    const { vm } = await started.status();
    world.change(vm?.moref ?? '', { standing: 'partlyMoved' });
    await started.stop().catch(() => undefined);
    await called(world, 'watchVm');
    world.change(vm?.moref ?? '', { standing: 'moved' });
    await started.handle.result();
  }),
  'kept-and-stopped': running(async (started) => {
    await started.keep();
    await started.stop();
  }),
  'keep-cancelled': running(async (started, world) => {
    world.keepEnds = false;
    const kept = started.keep().catch(() => undefined);
    await called(world, 'keepSession');
    await started.cancelKeep();
    await kept;
    await started.stop();
  }),
  'finalized-live': running((started) => started.finalize(), { verify: 'beside' }),
  'finalized-by-itself': session(ended, { autoMigrate: { datastore: 'prod', vmotion: 'auto' } }),
  'finalize-cancelled-then-finalized': running(async (started, world) => {
    world.migrationEnds = false;
    const first = started.finalize().catch(() => undefined);
    await eventually('the migration', () => world.migrating);
    await started.cancelFinalize();
    await first;
    world.migrationEnds = true;
    await started.finalize();
  }),
  'finalize-fails-then-stopped': failing(
    'finalizePreflight',
    'before',
    running(async (started) => {
      await started.finalize().catch(() => undefined);
      await started.stop();
    }),
  ),
  'finalize-loses-sight-of-its-migration': failing(
    'migrateVm',
    'after',
    running((started) => started.finalize()),
  ),
  'crossed-over': onHostAlone(running((started) => started.finalize())),
  'crossed-over-cold': onHostAlone(running((started) => started.finalize({ vmotion: 'cold' }))),
  'crossing-goes-back-then-stopped': onHostAlone(
    failing(
      'joinInProduction',
      'after',
      running(async (started) => {
        await started.finalize({ vmotion: 'short-outage' }).catch(() => undefined);
        await started.stop();
      }),
    ),
  ),
  'crossing-loses-sight-of-its-vm': onHostAlone(
    failing(
      'runInProduction',
      'after',
      running((started) => started.finalize()),
    ),
  ),
  'takes-the-place-of-the-original': running((started, world) => {
    world.original = { name: 'web01', powerState: 'poweredOn' };
    return started.finalize({ location: 'original', powerOffOriginal: true, removeOriginal: true });
  }),
  restored: restore(ended),
  'restored-held-back': (harness, world) => {
    const input = restoreInput({ throttle: 1024 * 1024 });
    // Nothing is copied before it was paused and let go.
    world.limits.set(input.sessionId, 0);
    const act: Act = async (started) => {
      await called(world, 'limitReads');
      await started.throttle({ paused: true });
      await started.throttle({ paused: false, bytesPerSecond: null });
      await started.handle.result();
    };
    return of(WorkflowType.restore, input, act)(harness, world);
  },
  'disk-restored': of(WorkflowType.restoreDisk, restoreDiskInput({ verify: 'beside' }), ended),
  'restore-fails': failing('registerRestoredVm', 'after', restore(ended)),
  'batch-stopped': (harness, world) => {
    const input = batchInput(['web01', 'db01', 'app01']);
    world.broken.add('db01');
    return withBatch(harness.temporal, input, world.activities, async (batch) => {
      await batch.until('all that can run', isUp);
      await batch.finalize([`${input.batchId}-1`]);
      await batch.stop();
      await batch.result();
      return batch.handle;
    });
  },
  browsed: of(WorkflowType.browse, browseInput(), async ({ handle }) => {
    await handle.executeUpdate(BrowseMessage.opened);
    await handle.executeUpdate(BrowseMessage.close);
    await handle.result();
  }),
  drilled: (harness, world) => {
    const input = drillInput({ vms: [{ name: 'web01' }, { name: 'db01' }] });
    return resultOf(harness, world, WorkflowType.drill, drillWorkflowId(input.name), input);
  },
  'cleaned-up': async (harness, world) => {
    const input = startInput({ changes: { datastore: 'vmfs02' } });
    await harness.withSession(input, world, async (started) => {
      await started.untilState('running');
      await started.handle.terminate();
    });
    const cleanUp = cleanUpInput(input, { powerOff: true });
    return resultOf(harness, world, WorkflowType.cleanUp, input.sessionId, cleanUp);
  },
  proven: (harness, world) => {
    const input = proveInput();
    return resultOf(harness, world, WorkflowType.prove, input.proveId, input);
  },
};

function resultOf(
  { temporal }: SessionHarness,
  world: FakeWorld,
  type: string,
  workflowId: string,
  input: { readonly site: string },
): Promise<WorkflowHandle> {
  return atSite(temporal, input.site, world.activities, async () => {
    const options = { taskQueue: WORKFLOW_TASK_QUEUE, workflowId, args: [input] };
    const handle = await temporal.client.workflow.start(type, options);
    await handle.result();
    return handle;
  });
}

/** Names of machines and paths of files are nobody's business. */
function scrubbed(json: string): string {
  return json
    .replaceAll(/"\d+@[^"]*"/g, '"worker"')
    .replaceAll(/"stackTrace": "(?:[^"\\]|\\.)*"/g, '"stackTrace": ""');
}

async function capture(
  harness: SessionHarness,
  folder: string,
  name: string,
  scenario: Scenario,
): Promise<void> {
  const handle = await scenario(harness, new FakeWorld());
  const history = await handle.fetchHistory();
  const path = join(folder, `${name}.json`);
  await writeFile(path, `${scrubbed(JSON.stringify(JSON.parse(historyToJSON(history)), undefined, 1))}\n`);
  console.log(path);
}

const release = process.argv[2];
if (release === undefined) throw new Error('give the release: node test/capture-histories.ts 0.1.0');
const folder = join(import.meta.dirname, '..', 'workflows', 'histories', release);
await mkdir(folder, { recursive: true });
const harness = await openSessionHarness();
try {
  for (const [name, scenario] of Object.entries(scenarios)) await capture(harness, folder, name, scenario);
} finally {
  await harness.close();
}
