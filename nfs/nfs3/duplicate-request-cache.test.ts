import { expect, test } from 'vitest';
import { DuplicateRequestCache } from './duplicate-request-cache.ts';

const ANSWER = Buffer.from('00000000', 'hex');
const ARGS = Buffer.from('args');

test('knows a call by address, xid, procedure and arguments, all of them', () => {
  const cache = new DuplicateRequestCache();
  cache.remember(cache.key('10.0.0.1', 1, 12, ARGS), ANSWER);
  expect(cache.get(cache.key('10.0.0.1', 1, 12, ARGS))).toBe(ANSWER);
  expect(cache.get(cache.key('10.0.0.2', 1, 12, ARGS))).toBeUndefined();
  expect(cache.get(cache.key('10.0.0.1', 2, 12, ARGS))).toBeUndefined();
  expect(cache.get(cache.key('10.0.0.1', 1, 13, ARGS))).toBeUndefined();
  expect(cache.get(cache.key('10.0.0.1', 1, 12, Buffer.from('arGs')))).toBeUndefined();
});

test('forgets what is older than a rebooted client, counted from the answer', async () => {
  let nowMs = 0;
  const cache = new DuplicateRequestCache(() => nowMs);
  const running = Promise.withResolvers<Buffer>();
  cache.remember('call', running.promise);
  nowMs = 100_000;
  running.resolve(ANSWER);
  await running.promise;
  nowMs += 180_000;
  expect(cache.get('call')).toBe(ANSWER);
  nowMs += 1;
  expect(cache.get('call')).toBeUndefined();
});

test('keeps the newest, a bounded number', () => {
  const cache = new DuplicateRequestCache();
  for (let xid = 0; xid < 5000; xid += 1) cache.remember(`${xid}`, ANSWER);
  expect(cache.get('903')).toBeUndefined();
  expect(cache.get('904')).toBe(ANSWER);
  expect(cache.get('4999')).toBe(ANSWER);
});

test('does not remember a call that failed without an answer', async () => {
  const cache = new DuplicateRequestCache();
  const failing: Promise<Buffer> = Promise.reject(new Error('no answer'));
  cache.remember('call', failing);
  await expect(failing).rejects.toThrow();
  expect(cache.get('call')).toBeUndefined();
});

test('does not keep NFS3ERR_JUKEBOX, which asks to try again', async () => {
  const cache = new DuplicateRequestCache();
  const jukebox = Buffer.from('00002718', 'hex');
  const later = Promise.resolve(jukebox);
  cache.remember('at once', jukebox);
  cache.remember('later', later);
  await later;
  expect(cache.get('at once')).toBeUndefined();
  expect(cache.get('later')).toBeUndefined();
});
