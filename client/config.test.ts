import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Config, configPath, readConfig, writeConfig } from './config.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rundirect-config-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const config: Config = {
  version: 1,
  sites: { 'localhost:7233/default/main': { publicKey: 'AAAA', pinnedAt: '2026-01-01T00:00:00.000Z' } },
  targets: { 'esx1:443': { fingerprint: 'AB'.repeat(32), pinnedAt: '2026-01-01T00:00:00.000Z' } },
};

it('lies where the XDG specification says', () => {
  expect(configPath({ XDG_CONFIG_HOME: '/etc/me' })).toBe('/etc/me/rundirect/config.json');
  const byDefault = join(homedir(), '.config', 'rundirect', 'config.json');
  expect(configPath({})).toBe(byDefault);
  expect(configPath({ XDG_CONFIG_HOME: 'relative' })).toBe(byDefault);
});

it('is empty where there is none, and reads back what was written, private to the user', async () => {
  const path = join(directory, 'rundirect', 'config.json');
  expect(await readConfig(path)).toEqual({ version: 1, sites: {}, targets: {} });
  await writeConfig(path, config);
  await writeConfig(path, config);
  expect(await readConfig(path)).toEqual(config);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
  expect(await readdir(dirname(path))).toEqual(['config.json']);
});

it.each([
  ['not JSON', '{'],
  ['another version', '{"version":2,"sites":{},"targets":{}}'],
  ['no pins', '{"version":1}'],
])('is refused when it is %s, and not overwritten', async (_, text) => {
  const path = join(directory, 'config.json');
  await writeFile(path, text);
  await expect(readConfig(path)).rejects.toMatchObject({ code: 'ConfigInvalid' });
});

it('says so when it cannot be written', async () => {
  await writeFile(join(directory, 'file'), '');
  const path = join(directory, 'file', 'config.json');
  await expect(writeConfig(path, config)).rejects.toMatchObject({ code: 'ConfigInvalid' });
});
