// Sessions that an earlier version began must go on under this one: every history that a release left behind is
// replayed. test/capture-histories.ts writes them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { beforeAll, expect, it } from 'vitest';
import { loadWorkflowBundle } from '../worker/workflow-bundle.ts';

const folder = join(import.meta.dirname, 'histories');
const histories = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.json'),
);

interface StoredHistory {
  readonly events: readonly [
    { readonly workflowExecutionStartedEventAttributes: { readonly workflowId: string } },
  ];
}

let workflowBundle: WorkflowBundleOption;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  workflowBundle = await loadWorkflowBundle();
});

it('has histories to replay', () => expect(histories.length).toBeGreaterThan(0));

it.each(histories)('replays %s', async (name) => {
  const history = JSON.parse(readFileSync(join(folder, name), 'utf8')) as StoredHistory;
  const { workflowId } = history.events[0].workflowExecutionStartedEventAttributes;
  await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
});
