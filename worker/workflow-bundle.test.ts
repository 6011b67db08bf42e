import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadWorkflowBundle } from './workflow-bundle.ts';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'rundirect-bundle-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

it('bundles once for one state of the sources, for workers that start together too', async () => {
  vi.stubEnv('XDG_CACHE_HOME', cache);
  const [first, second] = await Promise.all([loadWorkflowBundle(), loadWorkflowBundle()]);
  expect(second).toEqual(first);
  const [name, ...others] = await readdir(join(cache, 'rundirect'));
  expect(others).toEqual([]);
  const codePath = join(cache, 'rundirect', name ?? '');
  expect(first).toEqual({ codePath });
  const { ino, size } = await stat(codePath);
  expect(size).toBeGreaterThan(100_000);
  expect(await loadWorkflowBundle()).toEqual({ codePath });
  expect((await stat(codePath)).ino).toBe(ino);
});

it('does without a cache that can not be written', async () => {
  vi.stubEnv('XDG_CACHE_HOME', '/dev/null');
  expect(await loadWorkflowBundle()).toMatchObject({ code: expect.stringContaining('runDirect') as string });
});
