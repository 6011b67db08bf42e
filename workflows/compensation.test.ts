// How long an undoing waits before it tries again.
import { expect, it } from 'vitest';
import { waitAfter } from './compensation.ts';

it('tries an account that was refused so seldom that no target locks it', () => {
  const refused = { type: 'InvalidLogin', message: 'wrong password', details: [] };
  // vCenter counts for three minutes, a host for fifteen.
  expect(waitAfter(refused, 2_000)).toBeGreaterThan(15 * 60_000);
  expect(waitAfter({ ...refused, type: 'TargetUnavailable' }, 2_000)).toBe(2_000);
});
