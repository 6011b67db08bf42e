import { beforeAll, test } from 'vitest';
import { playRounds, preparePair } from './two-sessions.ts';
import { withHouse } from './with-house.ts';

const suite = withHouse({ model: 'esx' });
beforeAll(() => preparePair(suite.house));

test('one starts while the other stops, 3 times: neither loses its datastore', () =>
  playRounds(suite.house, 3));
