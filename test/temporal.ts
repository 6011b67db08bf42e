// A Temporal server for tests: the installed CLI's development server, in memory, on a free port.
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { SearchAttribute } from '../contract/index.ts';
import { findTemporal } from '../setup/temporal.ts';

/** The CLI's absolute path: on the PATH, or where set-up put it. */
export async function temporalExecutable(): Promise<string> {
  const found = await findTemporal();
  if (found === undefined) throw new Error('There is no Temporal CLI. Run `npm run setup`.');
  return found;
}

/** @param dynamicConfig are settings of the server, `limit.historyCount.suggestContinueAsNew=100` for one. */
export async function startTemporal(dynamicConfig: readonly string[] = []): Promise<TestWorkflowEnvironment> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await temporalExecutable() },
      searchAttributes: Object.values(SearchAttribute).map((name) =>
        defineSearchAttributeKey(name, 'KEYWORD'),
      ),
      extraArgs: dynamicConfig.flatMap((setting) => ['--dynamic-config-value', setting]),
    },
  });
}

/** Waits until `probe` answers something, asking every 20 ms; `what` names it when the time is up. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  limitMs = 40_000,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
