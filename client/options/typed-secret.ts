// Secrets on their way in: typed at a prompt without echo, or read from a file or from standard input. Never an
// argument (process lists show those), never kept, never printed.
import { constants, type FileHandle, open } from 'node:fs/promises';
import * as prompts from '@clack/prompts';
import { ClientError } from '../errors/client-error.ts';
import type { Terminal } from '../terminal.ts';

/** What can be sealed (secrets/sealed-box.ts), and room for a trailing newline. */
const MAX_SECRET_BYTES = 4096;
const READ_LIMIT_BYTES = 2 * MAX_SECRET_BYTES + 4;
const OTHERS_MAY_READ = 0o044;

/** Where one secret comes from, as the flags say. */
export interface SecretSource {
  /** What people call it: `passphrase`, `password`. */
  readonly name: string;
  /** What it is for, to be shown in a prompt. */
  readonly subject: string;
  readonly file: string | undefined;
  readonly stdin: boolean;
  /** Typed twice at the prompt, because a slip of the finger would be found out too late. */
  readonly confirm?: boolean;
}

function unreadable(message: string, cause?: unknown): ClientError {
  return new ClientError('SecretUnreadable', message, cause === undefined ? {} : { cause });
}

/** Exactly one line ending is the editor's; anything before it is the secret's. */
function withoutTrailingNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** Secrets are text, because the site reads them as text; bytes that are none would be another secret there. */
function decoded(bytes: Uint8Array, name: string): string {
  if (bytes.byteLength >= READ_LIMIT_BYTES) throw tooLong(name);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw unreadable(`the ${name} is not text in UTF-8`, cause);
  }
}

const tooLong = (name: string): ClientError =>
  unreadable(`the ${name} is longer than ${MAX_SECRET_BYTES} bytes`);

function checked(name: string, secret: string, file?: string): string {
  if (secret === '') throw unreadable(`the ${name} is empty${file === undefined ? '' : ` in ${file}`}`);
  if (Buffer.byteLength(secret) > MAX_SECRET_BYTES) throw tooLong(name);
  return secret;
}

async function readLimited(handle: FileHandle): Promise<Uint8Array> {
  const buffer = Buffer.alloc(READ_LIMIT_BYTES);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, READ_LIMIT_BYTES - length, null);
    length += bytesRead;
    if (bytesRead === 0 || length === READ_LIMIT_BYTES) return buffer.subarray(0, length);
  }
}

async function fromFile(path: string, name: string, terminal: Terminal): Promise<string> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY);
    const { mode } = await handle.stat();
    const kind = mode & constants.S_IFMT;
    if (kind === constants.S_IFDIR) throw unreadable(`the ${name} can't be read: ${path} is a folder`);
    if ((mode & OTHERS_MAY_READ) !== 0 && kind === constants.S_IFREG) {
      terminal.note(`warning: others may read the ${name} in ${path}; chmod 600 it`);
    }
    return withoutTrailingNewline(decoded(await readLimited(handle), name));
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unreadable(`the ${name} can't be read: ${why}`, cause);
  } finally {
    await handle?.close();
  }
}

async function readStandardInput(names: readonly string[]): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > READ_LIMIT_BYTES) break;
  }
  return decoded(Buffer.concat(chunks), names.join(' and '));
}

/**
 * Splits standard input among the secrets that are read from it: all of it for one, a line each for several, in
 * the order in which they are documented.
 */
export function splitStandardInput(text: string, names: readonly string[]): string[] {
  const whole = withoutTrailingNewline(text);
  if (names.length < 2) return [whole];
  const lines = whole.split(/\r?\n/);
  if (lines.length !== names.length) {
    throw unreadable(
      `standard input holds ${lines.length} lines where ${names.length} were expected: ${names.join(', ')}`,
    );
  }
  return lines;
}

async function ask(message: string): Promise<string> {
  const answer = await prompts.password({ message, mask: '', withGuide: false, output: process.stderr });
  if (prompts.isCancel(answer)) throw new ClientError('Interrupted', 'interrupted');
  return answer;
}

async function fromPrompt(source: SecretSource, terminal: Terminal): Promise<string> {
  const { name, subject } = source;
  if (!terminal.interactive) {
    throw new ClientError('Usage', `the ${name} of ${subject} is needed, and nobody is there to type it`, {
      hint: `Give it with --${name}-file FILE or --${name}-stdin.`,
    });
  }
  const secret = checked(name, await ask(`The ${name} of ${subject}`));
  if (source.confirm === true && (await ask(`The same ${name} once more`)) !== secret) {
    throw unreadable(`the two ${name}s differ`);
  }
  return secret;
}

/** Reads all secrets of one command, in the order given; the answers are UTF-8. Throws ClientError. */
export async function readSecrets(
  sources: readonly SecretSource[],
  terminal: Terminal,
): Promise<Uint8Array[]> {
  for (const { name, file, stdin } of sources) {
    if (file !== undefined && stdin) {
      throw new ClientError('Usage', `--${name}-file and --${name}-stdin exclude each other`);
    }
  }
  const piped = sources.filter(({ stdin }) => stdin).map(({ name }) => name);
  const lines = piped.length === 0 ? [] : splitStandardInput(await readStandardInput(piped), piped);
  const secrets: Uint8Array[] = [];
  for (const source of sources) {
    const secret = source.stdin
      ? (lines[piped.indexOf(source.name)] ?? '')
      : source.file !== undefined
        ? await fromFile(source.file, source.name, terminal)
        : await fromPrompt(source, terminal);
    secrets.push(Buffer.from(checked(source.name, secret, source.file)));
  }
  return secrets;
}
