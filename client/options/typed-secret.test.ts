import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { readSecrets, type SecretSource, splitStandardInput } from './typed-secret.ts';

let directory: string;
let notes: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rundirect-secret-'));
  notes = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const terminal = (): Terminal => ({
  json: false,
  interactive: false,
  print: () => undefined,
  document: () => undefined,
  note: (text) => notes.push(text),
  progress: () => undefined,
  style: (_, text) => text,
});

async function fileWith(text: string | Uint8Array, mode = 0o600): Promise<SecretSource> {
  const file = join(directory, 'secret');
  await writeFile(file, text);
  await chmod(file, mode);
  return { name: 'passphrase', subject: 'backup set nightly', file, stdin: false };
}

const read = async (source: SecretSource): Promise<string> =>
  Buffer.from((await readSecrets([source], terminal()))[0]!).toString();

it.each([
  ['secret\n', 'secret'],
  ['secret\r\n', 'secret'],
  ['secret', 'secret'],
  ['secret\n\n', 'secret\n'],
  [' with spaces \n', ' with spaces '],
  ['naïve ключ\n', 'naïve ключ'],
])('takes exactly one line ending off %j', async (text, secret) => {
  expect(await read(await fileWith(text))).toBe(secret);
  expect(notes).toEqual([]);
});

it('warns when others may read the file', async () => {
  expect(await read(await fileWith('secret', 0o644))).toBe('secret');
  expect(notes).toEqual([expect.stringContaining('chmod 600')]);
});

it.each([
  ['empty', ''],
  ['only a line ending', '\n'],
  ['too long', 'x'.repeat(5000)],
  ['endless', Buffer.alloc(1 << 20, 97)],
  ['no text', Buffer.from([0xff, 0xfe, 0x41])],
])('refuses a secret that is %s, without showing it', async (_, text) => {
  const failure = await read(await fileWith(text)).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'SecretUnreadable' });
  expect(String(failure)).not.toContain('aaaa');
});

it('names the file that is not there', async () => {
  const source = { name: 'password', subject: 'esx1', file: join(directory, 'none'), stdin: false };
  await expect(read(source)).rejects.toThrow(/none/);
});

it('asks nobody where nobody is', async () => {
  const source = { name: 'password', subject: 'esx1:443/root', file: undefined, stdin: false };
  await expect(read(source)).rejects.toMatchObject({
    code: 'Usage',
    hint: expect.stringContaining('--password-file') as string,
  });
});

it('gives standard input to one secret whole, and to two a line each', () => {
  expect(splitStandardInput('two\nlines\n', ['passphrase'])).toEqual(['two\nlines']);
  expect(splitStandardInput('one\r\ntwo\r\n', ['passphrase', 'password'])).toEqual(['one', 'two']);
  expect(() => splitStandardInput('one', ['passphrase', 'password'])).toThrow(/1 lines where 2/);
  expect(() => splitStandardInput('1\n2\n3', ['passphrase', 'password'])).toThrow(/passphrase, password/);
});

it('names the file that holds no secret', async () => {
  const source = await fileWith('');
  await expect(read(source)).rejects.toThrow(`the passphrase is empty in ${source.file ?? ''}`);
  await rm(source.file ?? '');
  await expect(read(source)).rejects.toThrow(/^the passphrase can't be read: ENOENT: .*secret'$/);
  await expect(read({ ...source, file: directory })).rejects.toThrow(`${directory} is a folder`);
});
