// A .vmx file: a dictionary of lines `key = "value"`, each of which may end in a comment. Keys are case-insensitive; in
// values `|XX` stands for the byte XX, at least for the quote and the bar themselves. What is not changed is written
// back as it was read, order, comments and odd spacing included, because hosts keep keys there that only they know.
//
// A line that is no entry is refused rather than passed over: it could be the one that names a disk.
// Source: .vmx files as ESXi, vCenter and Workstation write them, and what open-vm-tools' reader of them takes; there
// is no published grammar.
import { decodeText } from './text-encoding.ts';
import { VmFolderError } from './vm-folder-error.ts';

const MAX_VMX_BYTES = 4 * 1024 * 1024;
const ENCODING = /^[ \t]*\.encoding[ \t]*=[ \t]*"?([A-Za-z0-9_.:-]+)"?/im;
/** Of a line without blanks at its ends. In time that grows with the line alone, whatever stands in it. */
const ENTRY = /^([^\s=#"]+)\s*=(?:\s*"([^"]*)"\s*(?:#.*)?|([^"#]*)(?:#.*)?)$/;
/** Of a line, in an error. */
const SHOWN_CHARACTERS = 60;
const YES = /^(?:true|t|yes|y|on|1)$/i;

interface VmxLine {
  readonly text: string;
  /** Lower case; undefined for a comment and an empty line. */
  readonly key: string | undefined;
  readonly value: string;
}

/** An immutable .vmx: changes make a new one. */
export class Vmx {
  readonly #lines: readonly VmxLine[];
  readonly #lineEnd: string;
  readonly #values: ReadonlyMap<string, string>;

  constructor(lines: readonly VmxLine[], lineEnd: string) {
    this.#lines = lines;
    this.#lineEnd = lineEnd;
    this.#values = new Map(
      lines.flatMap(({ key, value }): [string, string][] => (key === undefined ? [] : [[key, value]])),
    );
  }

  /** The value, or undefined; of a key that stands there twice, the last. */
  get(key: string): string | undefined {
    return this.#values.get(key.toLowerCase());
  }

  /** Whether the value is TRUE, or another yes that hosts take for it, in any case of letters. */
  isTrue(key: string): boolean {
    return YES.test(this.get(key) ?? '');
  }

  /** Keys in lower case with their values, in the file's order. */
  entries(): IterableIterator<[string, string]> {
    return this.#values.entries();
  }

  /** Changes values in their place, appends new keys, removes those with undefined; of keys that differ in case alone, the last counts. */
  with(changes: Readonly<Record<string, string | undefined>>): Vmx {
    const left = new Map(
      Object.entries(changes).map(([key, value]) => [key.toLowerCase(), { key, value }] as const),
    );
    const written = new Set<string>();
    const lines: VmxLine[] = [];
    for (const line of this.#lines) {
      const change = line.key === undefined ? undefined : left.get(line.key);
      if (line.key === undefined || change === undefined) lines.push(line);
      else if (change.value !== undefined && !written.has(line.key)) {
        lines.push(entryLine(originalKey(line), change.value));
        written.add(line.key);
      }
    }
    for (const [lower, { key, value }] of left) {
      if (value !== undefined && !written.has(lower)) lines.push(entryLine(key, value));
    }
    return new Vmx(lines, this.#lineEnd);
  }

  /** The file's text; it is UTF-8 now, and says so. */
  serialize(): string {
    const declared = this.get('.encoding');
    const isUtf8 = declared === undefined || declared.toLowerCase() === 'utf-8';
    if (!isUtf8) return this.with({ '.encoding': 'UTF-8' }).serialize();
    return this.#lines.map(({ text }) => text + this.#lineEnd).join('');
  }
}

/** Throws VmFolderError SourceInvalid when it is no .vmx. `name` is for the message. */
export function parseVmx(bytes: Uint8Array, name = 'The .vmx file'): Vmx {
  if (bytes.byteLength > MAX_VMX_BYTES) {
    throw new VmFolderError('SourceInvalid', `${name} has ${bytes.byteLength} bytes: it is no .vmx file.`);
  }
  const text = decodeText(bytes, ENCODING, name);
  const lineEnd = text.includes('\r\n') ? '\r\n' : '\n';
  const texts = text.split(/\r?\n/);
  if (texts.at(-1) === '') texts.pop();
  const vmx = new Vmx(
    texts.map((line, index) => parseLine(line, () => `Line ${index + 1} of ${name}`)),
    lineEnd,
  );
  if (vmx.entries().next().done === true || text.includes('\0')) {
    throw new VmFolderError('SourceInvalid', `${name} is no .vmx file: it has no lines 'key = "value"'.`);
  }
  return vmx;
}

/** `where` says for a person which line it is. */
function parseLine(text: string, where: () => string): VmxLine {
  const line = text.trim();
  if (line === '' || line.startsWith('#')) return { text, key: undefined, value: '' };
  const [, key, quoted, bare] = ENTRY.exec(line) ?? [];
  if (key !== undefined) {
    return { text, key: key.toLowerCase(), value: unescapeValue(quoted ?? bare?.trim() ?? '') };
  }
  const start = line.slice(0, SHOWN_CHARACTERS);
  throw new VmFolderError(
    'SourceInvalid',
    `${where()} is no 'key = "value"': ${start}. Mend it, or make it a comment (#).`,
  );
}

function originalKey(line: VmxLine): string {
  return ENTRY.exec(line.text.trim())?.[1] ?? line.key ?? '';
}

function entryLine(key: string, value: string): VmxLine {
  return { text: `${key} = "${escapeValue(value)}"`, key: key.toLowerCase(), value };
}

/** `|XX` for what can't stand between quotes on one line. */
function escapeValue(value: string): string {
  return value.replaceAll(/["|#\p{Cc}]/gu, (character) => {
    const bytes = [...Buffer.from(character)];
    return bytes.map((byte) => `|${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
  });
}

/** Consecutive `|XX` are the UTF-8 bytes of characters. */
function unescapeValue(value: string): string {
  return value.replaceAll(/(?:\|[0-9A-Fa-f]{2})+/g, (escaped) =>
    Buffer.from(escaped.replaceAll('|', ''), 'hex').toString('utf8'),
  );
}
