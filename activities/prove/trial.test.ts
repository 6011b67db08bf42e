// What becomes a row, and what says nothing about the host.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../gateway/index.ts';
import { VsphereError } from '../../vsphere/index.ts';
import { failureFor } from '../failures.ts';
import { trial, Unmet } from './trial.ts';

const quiet = (): { signal: AbortSignal } => ({ signal: new AbortController().signal });

describe('a trial', () => {
  it("keeps the host's words, and goes on", async () => {
    const tried = trial(quiet());
    const refused = new VsphereError('NotSupported', 'SuspendVM_Task failed: NotSupported', {
      fault: 'NotSupported',
    });
    expect(await tried.attempt('suspend', () => Promise.reject(refused))).toBe(false);
    expect(await tried.attempt('screenshot', async () => '720 × 400')).toBe(true);
    expect(await tried.attempt('isolate', () => Promise.reject(new Unmet('the card is elsewhere')))).toBe(
      false,
    );
    tried.skip('unmountInUse', 'others use it');
    expect(tried.rows(['screenshot', 'unmountInUse', 'suspend', 'resume', 'isolate'])).toEqual([
      { primitive: 'screenshot', outcome: 'held', detail: '720 × 400', ms: expect.any(Number) as number },
      { primitive: 'unmountInUse', outcome: 'skipped', detail: 'others use it' },
      { primitive: 'suspend', outcome: 'refused', detail: refused.message, ms: expect.any(Number) as number },
      { primitive: 'resume', outcome: 'skipped', detail: 'it stands on what was refused: suspend, isolate' },
      {
        primitive: 'isolate',
        outcome: 'refused',
        detail: 'the card is elsewhere',
        ms: expect.any(Number) as number,
      },
    ]);
  });

  it.each([
    ['a target that is away', new VsphereError('TargetUnavailable', 'no answer')],
    ['a gateway that is away', new GatewayError('GatewayUnavailable', 'no answer')],
    ['a step that says so', failureFor('TargetUnavailable', 'no answer')],
    ['a fault of ours', new TypeError('undefined is not a function')],
  ])('tells nothing about the host from %s', async (_, error) => {
    const tried = trial(quiet());
    await expect(tried.attempt('suspend', () => Promise.reject(error))).rejects.toBe(error);
  });

  it('hears a cancel between two primitives, and lets the one that is under way end', async () => {
    const cancel = new AbortController();
    const tried = trial(cancel);
    const work = async (signal: AbortSignal): Promise<string> => {
      cancel.abort();
      await delay(1);
      expect(signal.aborted).toBe(false);
      return 'done';
    };
    expect(await tried.attempt('suspend', work)).toBe(true);
    await expect(tried.attempt('resume', async () => 'never')).rejects.toThrow('cancelled');
  });
});
