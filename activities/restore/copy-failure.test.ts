// What a person is told of a copy that the target gave up.
import { beforeEach, expect, it } from 'vitest';
import { FakeGateway } from '../../test/fake-gateway.ts';
import { nonRetryable } from '../failures.ts';
import { copyFailure } from './copy-failure.ts';

let gateway: FakeGateway;
beforeEach(() => {
  gateway = new FakeGateway();
});

it.each(['MigrationFailed', 'PowerOnFailed'] as const)(
  'says why the gateway served no more: %s',
  async (type) => {
    gateway.lastError = 'block 134 of disk web01.vmdk is damaged';
    expect(await copyFailure(gateway, 'web01-x1', nonRetryable(type, 'I/O error'))).toMatchObject({
      ...{ type: 'CopyFailed', nonRetryable: true },
      message: 'I/O error; the gateway says: block 134 of disk web01.vmdk is damaged',
    });
  },
);

it('repeats the target alone where the gateway knows of nothing', async () => {
  const failure = await copyFailure(gateway, 'web01-x1', nonRetryable('MigrationFailed', 'who knows'));
  expect(failure).toMatchObject({ type: 'CopyFailed', message: 'who knows' });
});

it('leaves every other failure as it is', async () => {
  for (const error of [nonRetryable('StorageFull', 'no room'), new Error('a bug')]) {
    expect(await copyFailure(gateway, 'web01-x1', error)).toBe(error);
  }
});
