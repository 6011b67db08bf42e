// Against a Temporal that has never heard of us, and against one that lets us do nothing.
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporalExecutable } from '../test/temporal.ts';
import { ensureSearchAttributes } from './search-attributes.ts';

type Operator = Parameters<typeof ensureSearchAttributes>[0]['operatorService'];

describe('on a fresh server', () => {
  let temporal: TestWorkflowEnvironment;
  beforeAll(async () => {
    temporal = await TestWorkflowEnvironment.createLocal({
      server: { executable: { type: 'existing-path', path: await temporalExecutable() } },
    });
  });
  afterAll(() => temporal.teardown());

  it('registers them, once', async () => {
    expect(await ensureSearchAttributes(temporal.connection, 'default')).toEqual({ kind: 'registered' });
    expect(await ensureSearchAttributes(temporal.connection, 'default')).toEqual({ kind: 'present' });
  });
});

describe('without the permission', () => {
  const denied = async (): Promise<never> => {
    throw new Error('7 PERMISSION_DENIED: not for you');
  };

  it('ends with the command for an operator when some are missing', async () => {
    const operatorService = {
      listSearchAttributes: async () => ({ customAttributes: { RunDirectVm: 2 } }),
      addSearchAttributes: denied,
    } as unknown as Operator;
    await expect(ensureSearchAttributes({ operatorService }, 'prod')).rejects.toThrow(
      /lacks the search attributes RunDirectState, .*temporal operator search-attribute create --namespace prod --name RunDirectState/,
    );
  });

  it('warns with the command when it may not even look', async () => {
    const operatorService = {
      listSearchAttributes: denied,
      addSearchAttributes: denied,
    } as unknown as Operator;
    const outcome = await ensureSearchAttributes({ operatorService }, 'prod');
    expect(outcome).toMatchObject({ kind: 'unknown' });
    expect(outcome).toHaveProperty('command', expect.stringContaining('--name RunDirectVm --type Keyword'));
  });
});
