// Tells a story step by step, and keeps how long each took for the table at its end.
import { formatMs } from './format.ts';

interface TimedStep {
  readonly name: string;
  readonly ms: number;
}

export interface Narrator {
  /** Runs one step, says what it is and how long it took; `detail` makes what is worth telling of its outcome. */
  step<T>(name: string, run: () => Promise<T>, detail?: (outcome: T) => string): Promise<T>;
  say(text: string): void;
  /** A line of the table that is no step, such as a time that the product measured itself. */
  measured(name: string, ms: number): void;
  table(): string;
}

export function createNarrator(write: (line: string) => void): Narrator {
  const steps: TimedStep[] = [];
  const measured: TimedStep[] = [];
  return {
    async step(name, run, detail) {
      const startedMs = performance.now();
      write(`▸ ${name}`);
      const outcome = await run();
      const ms = performance.now() - startedMs;
      steps.push({ name, ms });
      const text = detail?.(outcome) ?? '';
      for (const line of text.split('\n').filter((part) => part !== '')) write(`    ${line}`);
      write(`    ${formatMs(ms)}`);
      return outcome;
    },
    say: (text) => write(text),
    measured: (name, ms) => void measured.push({ name, ms }),
    table() {
      const rows = [...steps, { name: 'together', ms: steps.reduce((sum, { ms }) => sum + ms, 0) }];
      const width = Math.max(...[...rows, ...measured].map(({ name }) => name.length));
      const line = ({ name, ms }: TimedStep): string =>
        `  ${name.padEnd(width)}  ${formatMs(ms).padStart(9)}`;
      const rule = `  ${'─'.repeat(width + 11)}`;
      return [
        rule,
        ...rows.slice(0, -1).map(line),
        rule,
        ...rows.slice(-1).map(line),
        rule,
        ...measured.map(line),
        rule,
      ].join('\n');
    },
  };
}
