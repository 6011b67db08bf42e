// Counts what .ci/run ran, and says it in one line. Arguments: vitest's JSON report and its exit code, `go test
// -json` and its exit code (each as FILE:CODE), and the exit code of the checks.
import { readFileSync } from 'node:fs';

interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** A runner that ended badly without naming a failed test has failed all the same. */
function withExitCode(count: Count, code: number): Count {
  return code !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count;
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** A file that fails outside its tests (a hook, an import) names no failed test: it is one failure itself. */
function countVitest(report: string): Count {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(report) as VitestReport;
  const failedFiles = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  return { passed: numPassedTests, failed: numFailedTests + failedFiles.length };
}

/** One JSON object per line; those with a Test and a final Action are counted, and what failed is printed. */
function countGo(report: string): Count {
  let passed = 0;
  let failed = 0;
  const output = new Map<string, string>();
  for (const line of report.split('\n')) {
    if (!line.startsWith('{')) continue;
    const event = JSON.parse(line) as { Action: string; Package?: string; Test?: string; Output?: string };
    const name = `${event.Package ?? ''} ${event.Test ?? ''}`;
    if (event.Action === 'output') output.set(name, (output.get(name) ?? '') + (event.Output ?? ''));
    if (event.Action === 'fail') process.stdout.write(`✗ go: ${name}\n${output.get(name) ?? ''}`);
    if (event.Test === undefined) continue;
    if (event.Action === 'pass') passed += 1;
    if (event.Action === 'fail') failed += 1;
  }
  return { passed, failed };
}

/** A report that is not there, or is cut off, is a failure too. */
function read(argument: string, count: (report: string) => Count): Count {
  const colon = argument.lastIndexOf(':');
  const code = Number(argument.slice(colon + 1));
  try {
    return withExitCode(count(readFileSync(argument.slice(0, colon), 'utf8')), code);
  } catch (error) {
    process.stdout.write(`✗ no report of a test runner: ${String(error)}\n`);
    return { passed: 0, failed: 1 };
  }
}

const [vitest = '', go = '', checks = '1'] = process.argv.slice(2);
const counts = [read(vitest, countVitest), read(go, countGo), { passed: 0, failed: checks === '0' ? 0 : 1 }];
const passed = counts.reduce((sum, count) => sum + count.passed, 0);
const failed = counts.reduce((sum, count) => sum + count.failed, 0);
if (passed === 0) process.stdout.write('Nothing was tested.\n');
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
