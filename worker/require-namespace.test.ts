// Against a Temporal that has the namespace, and against one that lets nobody look.
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporalExecutable } from '../test/temporal.ts';
import { requireNamespace } from './require-namespace.ts';

let temporal: TestWorkflowEnvironment;
beforeAll(async () => {
  temporal = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'existing-path', path: await temporalExecutable() } },
  });
});
afterAll(() => temporal.teardown());

it('finds the namespace, and names one that is not there with the way to it', async () => {
  const address = 'temporal.example:7233';
  await requireNamespace(temporal.connection, { address, namespace: 'default' });
  await expect(requireNamespace(temporal.connection, { address, namespace: 'ghost' })).rejects.toThrow(
    `Temporal at ${address} has no namespace ghost`,
  );
});

it('keeps nobody from working who may not look', async () => {
  const workflowService = { describeNamespace: () => Promise.reject(new Error('7 PERMISSION_DENIED')) };
  type Service = Parameters<typeof requireNamespace>[0]['workflowService'];
  const connection = { workflowService: workflowService as unknown as Service };
  await requireNamespace(connection, { address: 'a', namespace: 'default' });
});
