// `npm run check`: everything that can be said of the code without running it. All checks run, so that one
// look shows all there is to mend; the exit code is 0 only if every one passed.
import path from 'node:path';
import { runCommand } from './step.ts';

const LIMIT_MS = 10 * 60_000;
const checkout = path.dirname(import.meta.dirname);
const lab = path.join(checkout, 'lab');

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** For a tool that tells by its output and not by its exit code. */
  readonly silentIfGood?: true;
}

const checks: readonly Check[] = [
  { name: 'format', command: ['biome', 'ci', '--colors=off', '.'], cwd: checkout },
  { name: 'types', command: ['tsc', '-p', '.'], cwd: checkout },
  { name: 'lint', command: ['eslint', '--max-warnings=0', '.'], cwd: checkout },
  { name: 'layers', command: ['depcruise', '--config', '.dependency-cruiser.cjs', '.'], cwd: checkout },
  { name: 'unused', command: ['knip'], cwd: checkout },
  { name: 'go format', command: ['gofmt', '-l', '.'], cwd: lab, silentIfGood: true },
  { name: 'go vet', command: ['go', 'vet', './...'], cwd: lab },
];

let failed = 0;
for (const { name, command, cwd, silentIfGood } of checks) {
  const startedMs = Date.now();
  const [program, ...args] = command;
  const { code, output } = await runCommand(program, args, {
    cwd,
    timeoutMs: LIMIT_MS,
    env: {
      ...process.env,
      NO_COLOR: '1',
      PATH: `${path.join(checkout, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`,
    },
  });
  const good = code === 0 && !(silentIfGood === true && output.trim() !== '');
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(`  ${good ? '✓' : '✗'} ${name.padEnd(12)} ${seconds.padStart(6)} s`);
  if (!good) {
    failed += 1;
    console.log(`    ${command.join(' ')} ended with ${code}:\n${output.trimEnd()}\n`);
  }
}
if (failed > 0) {
  console.log(`  ${failed} of ${checks.length} checks failed.`);
  process.exitCode = 1;
}
