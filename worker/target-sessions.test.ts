// One login serves all who use a target; who brings another password gets another one.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { TargetLogin } from '../activities/index.ts';
import { type ConnectOptions, type Vsphere, VsphereError } from '../vsphere/index.ts';
import { targetSessions } from './target-sessions.ts';

const login: TargetLogin = {
  host: 'esx',
  port: 443,
  user: 'root',
  password: 'one',
  fingerprint: 'A'.repeat(64),
};
const { signal } = new AbortController();

/** A target that knows who is logged in; the engine's own tests speak to a real one. */
function fakeTarget() {
  const open = new Set<ConnectOptions>();
  let logins = 0;
  const connect = async (options: ConnectOptions): Promise<Vsphere> => {
    logins += 1;
    if (options.password === 'wrong') throw new VsphereError('InvalidLogin', 'wrong password');
    open.add(options);
    return { [Symbol.asyncDispose]: async () => void open.delete(options) } as unknown as Vsphere;
  };
  return { connect, readFingerprint: async () => 'A'.repeat(64), open, logins: () => logins };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('shares one login between those who use it at once and soon after', async () => {
  const target = fakeTarget();
  await using sessions = targetSessions(target);
  await Promise.all([1, 2, 3].map(() => sessions.use(login, signal, async () => undefined)));
  await vi.advanceTimersByTimeAsync(60_000);
  await sessions.use(login, signal, async () => undefined);
  expect(target.logins()).toBe(1);
});

it('logs out when nobody used it for a while, and not while somebody does', async () => {
  const target = fakeTarget();
  await using sessions = targetSessions(target);
  const { promise: busy, resolve: done } = Promise.withResolvers<undefined>();
  const long = sessions.use(login, signal, () => busy);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(target.open.size).toBe(1);
  done(undefined);
  await long;
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(target.open.size).toBe(0);
});

it('lets nobody in by the login of another password', async () => {
  const target = fakeTarget();
  await using sessions = targetSessions(target);
  await sessions.use(login, signal, async () => undefined);
  const wrong = sessions.use({ ...login, password: 'wrong' }, signal, async () => undefined);
  await expect(wrong).rejects.toMatchObject({ code: 'InvalidLogin' });
});

it('tries a failed login anew', async () => {
  const target = fakeTarget();
  await using sessions = targetSessions(target);
  for (let time = 1; time <= 2; time++) {
    const wrong = sessions.use({ ...login, password: 'wrong' }, signal, async () => undefined);
    await expect(wrong).rejects.toMatchObject({ code: 'InvalidLogin' });
  }
  expect(target.logins()).toBe(2);
});

it('ends the wait of one who gives up, and not the login of the others', async () => {
  const target = fakeTarget();
  const { promise: slow, resolve: letIn } = Promise.withResolvers<undefined>();
  const connect = async (options: ConnectOptions): Promise<Vsphere> => {
    await slow;
    return target.connect(options);
  };
  await using sessions = targetSessions({ ...target, connect });
  const impatient = new AbortController();
  const first = sessions.use(login, impatient.signal, async () => 'in');
  const second = sessions.use(login, signal, async () => 'in');
  impatient.abort(new Error('gave up'));
  await expect(first).rejects.toThrow('gave up');
  letIn(undefined);
  expect(await second).toBe('in');
  expect(target.logins()).toBe(1);
});
