// Where the client writes. Human mode: results and log lines on standard output, progress and diagnostics on
// standard error. JSON mode: documents alone on standard output, one to a line, so that a script can read them;
// words for people stay on standard error.
import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

export interface Terminal {
  readonly json: boolean;
  /** Somebody is there to be asked: standard input and standard error are a terminal. */
  readonly interactive: boolean;
  /** Words for people on standard output; silent in JSON mode. */
  print(text: string): void;
  /** A document for scripts on standard output; silent in human mode. */
  document(value: unknown): void;
  /** Diagnostics on standard error, in both modes. */
  note(text: string): void;
  /** One line that is written over; only on a terminal, and never in JSON mode. */
  progress(text: string): void;
  /** Colour, where standard output is a terminal and NO_COLOR does not forbid it. */
  style(style: Style, text: string): string;
}

/** Where a terminal does not know its own width. */
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\u001b[K';

/** The terminal of this process. */
export function processTerminal(json: boolean): Terminal {
  const { stdout, stderr, stdin } = process;
  let progressShown = false;
  const clear = (): void => {
    if (progressShown) stderr.write(CLEAR_LINE);
    progressShown = false;
  };
  return {
    json,
    interactive: stdin.isTTY && stderr.isTTY,
    print(text) {
      if (json) return;
      clear();
      stdout.write(`${text}\n`);
    },
    document(value) {
      if (json) stdout.write(`${JSON.stringify(value)}\n`);
    },
    note(text) {
      clear();
      stderr.write(`${text}\n`);
    },
    progress(text) {
      if (json || !stderr.isTTY) return;
      stderr.write(`${CLEAR_LINE}${text.slice(0, (stderr.columns || DEFAULT_COLUMNS) - 1)}`);
      progressShown = text !== '';
    },
    style: (style, text) => styleText(style, text, { stream: stdout }),
  };
}
