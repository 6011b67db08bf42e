import { beforeAll, describe, test } from 'vitest';
import { playRounds, preparePair } from '../e2e/two-sessions.ts';
import { withHouse } from '../e2e/with-house.ts';

describe.each(['esx', 'vcenter'] as const)('through %s', (model) => {
  const suite = withHouse({ model });
  beforeAll(() => preparePair(suite.house));

  test('one starts while the other stops, 20 times: neither loses its datastore', () =>
    playRounds(suite.house, 20));
});
