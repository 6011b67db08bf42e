import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  certificateFingerprint,
  changesPlace,
  duration,
  factor,
  flagProblems,
  siteKeyFingerprint,
  targetAddress,
} from './arguments.ts';

describe('a target', () => {
  it.each([
    ['esx1.example', { host: 'esx1.example', port: 443 }],
    ['192.0.2.7:8443', { host: '192.0.2.7', port: 8443 }],
    ['[2001:db8::1]', { host: '2001:db8::1', port: 443 }],
    ['[2001:db8::1]:9', { host: '2001:db8::1', port: 9 }],
  ])('%s', (text, address) => expect(targetAddress(text)).toEqual(address));

  it.each(['', 'esx1:', 'esx1:0', 'esx1:65536', '2001:db8::1', 'https://esx1', 'esx 1', 'root@esx1:x'])(
    'is not %j',
    (text) => expect(() => targetAddress(text)).toThrow(InvalidArgumentError),
  );
});

describe('fingerprints', () => {
  it('of a certificate come in many spellings, and are one', () => {
    const digits = 'AB'.repeat(32);
    const colons = digits.match(/../g)!.join(':');
    for (const text of [digits, digits.toLowerCase(), colons, `SHA256:${colons}`, `sha-256=${digits}`]) {
      expect(certificateFingerprint(text)).toBe(digits);
    }
    expect(() => certificateFingerprint(digits.slice(1))).toThrow(/64 hexadecimal digits/);
  });

  it('of a site key are those that ssh would show', () => {
    const text = `SHA256:${'a'.repeat(43)}`;
    expect(siteKeyFingerprint(`${text}=`)).toBe(text);
    expect(() => siteKeyFingerprint('a'.repeat(43))).toThrow(InvalidArgumentError);
  });
});

it('refuses durations and factors that are none', () => {
  expect(duration('5m')).toBe(300_000);
  expect(() => duration('5')).toThrow(/90s, 5m or 1h30m/);
  expect(factor('1.5')).toBe(1.5);
  for (const text of ['0', '-1', '11', 'much', '']) expect(() => factor(text)).toThrow(InvalidArgumentError);
});

it('knows where changes may go', () => {
  expect(changesPlace('gateway')).toBe('gateway');
  expect(changesPlace('datastore:SAN 1')).toEqual({ datastore: 'SAN 1' });
  for (const text of ['datastore:', 'vmfs02', '']) expect(() => changesPlace(text)).toThrow('datastore:NAME');
});

it('names the flag that a value came from, and what is wrong with it', () => {
  const problems = z.object({ jobId: z.string().min(1), name: z.string().max(3, 'it is too long') });
  const { error } = problems.safeParse({ jobId: '', name: 'abcd' });
  expect(flagProblems(error!)).toBe('--job: it is empty; --name: it is too long');
});
