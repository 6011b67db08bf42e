// What a worker is told: wrong settings are named, flags win over variables.
import { afterEach, expect, it, vi } from 'vitest';
import { parseConfig, temporalSettings } from './config.ts';

const raw = {
  site: 'main',
  stateDirectory: '/state',
  allow: [],
  parallelMigrations: 1,
  activitiesOnly: false,
};

afterEach(() => void vi.unstubAllEnvs());

it('takes addresses and ranges that may mount', () => {
  const allow = ['10.0.0.5', '10.1.0.0/16', 'fd00::1', 'fd00::/8'];
  expect(parseConfig({ ...raw, allow }).allow).toEqual(allow);
});

it.each([
  [{ ...raw, site: 'Main!' }, /site/],
  [{ ...raw, allow: ['everybody'] }, /--allow: an address/],
  [{ ...raw, stateDirectory: 'here' }, /--state: the state folder is absolute/],
  [{ ...raw, parallelMigrations: Number.NaN }, /^--parallel-migrations: a whole number from 1 to \d+$/],
  [{ ...raw, parallelMigrations: 0 }, /^--parallel-migrations: a whole number from 1 to \d+$/],
])('refuses %j', (config, message) => {
  expect(() => parseConfig(config)).toThrow(message);
});

it('finds Temporal by its variables, and by flags before them', () => {
  vi.stubEnv('TEMPORAL_ADDRESS', 'temporal.example:7233');
  vi.stubEnv('TEMPORAL_NAMESPACE', 'restores');
  vi.stubEnv('TEMPORAL_CONFIG_FILE', '/nonexistent/temporal.toml');
  expect(temporalSettings(parseConfig(raw))).toMatchObject({
    address: 'temporal.example:7233',
    namespace: 'restores',
  });
  const flags = { ...raw, address: 'other.example:7233', namespace: 'drills' };
  expect(temporalSettings(parseConfig(flags))).toMatchObject({
    address: 'other.example:7233',
    namespace: 'drills',
  });
});
