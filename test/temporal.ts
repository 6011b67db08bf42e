// A Temporal server for tests: the installed CLI's development server, in memory, on a free port.
import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { SearchAttribute } from '../contract/index.ts';

/** RUNDIRECT_TEMPORAL, else `temporal` on the PATH, else what set-up installed. */
export function temporalExecutable(): string {
  const cache = join(homedir(), '.cache', 'rundirect');
  const installed = list(cache)
    .filter((name) => name.startsWith('temporal-'))
    .map((name) => join(cache, name, 'temporal'));
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  const candidates = [process.env.RUNDIRECT_TEMPORAL ?? '', ...onPath, ...installed];
  const found = candidates.find((path) => path !== '' && isExecutable(path));
  if (found === undefined) {
    throw new Error('no Temporal CLI: `npm test` installs one; or set RUNDIRECT_TEMPORAL to its path');
  }
  return found;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param dynamicConfig are settings of the server, `limit.historyCount.suggestContinueAsNew=100` for one. */
export async function startTemporal(dynamicConfig: readonly string[] = []): Promise<TestWorkflowEnvironment> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: temporalExecutable() },
      searchAttributes: Object.values(SearchAttribute).map((name) =>
        defineSearchAttributeKey(name, 'KEYWORD'),
      ),
      extraArgs: dynamicConfig.flatMap((setting) => ['--dynamic-config-value', setting]),
    },
  });
}

export async function bundleWorkflows(): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
}

/** Waits until `probe` answers something, asking every 20 ms; `what` names it when the time is up. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  limitMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
