// What a person reads of a proof.
import { expect, it } from 'vitest';
import {
  type ProveFeature,
  type ProvePrimitive,
  type ProveResult,
  type ProveRow,
  proveFeatures,
  provePrimitives,
  proveVerdict,
} from '../../contract/index.ts';
import { proveText } from './prove-view.ts';

function resultWith(changes: Partial<Record<ProvePrimitive, Partial<ProveRow>>>): ProveResult {
  const rows = (Object.keys(provePrimitives) as ProvePrimitive[]).map(
    (primitive): ProveRow => ({ primitive, outcome: 'held', detail: 'seen', ms: 12, ...changes[primitive] }),
  );
  const verdicts = (Object.keys(proveFeatures) as ProveFeature[]).map(
    (feature) => [feature, proveVerdict(rows, feature)] as const,
  );
  return {
    ...{ proveId: 'prove-abcdefgh01', target: 'esx1:443/root', product: 'VMware ESXi 8.0.3', host: 'esx1' },
    ...{ apiVersion: '8.0.3.0', rows, holds: true, leftBehind: ['could not unmount'], durationMs: 61_000 },
    features: Object.fromEntries(verdicts) as ProveResult['features'],
  };
}

it("tells the host's words, each reason for skipping once, and what a feature wants", () => {
  const text = proveText(
    resultWith({
      suspend: { outcome: 'refused', detail: 'NotSupported: \u001b[31mno' },
      resume: { outcome: 'skipped', detail: 'it stands on what was refused: suspend', ms: undefined },
      checkRelocate: { outcome: 'skipped', detail: 'the target is a host alone', ms: undefined },
      relocateLive: { outcome: 'skipped', detail: 'the target is a host alone', ms: undefined },
    }),
  );
  expect(text).toContain('suspend  NotSupported: ?[31mno');
  expect(text).toContain('the target is a host alone:\n  checkRelocate, relocateLive');
  expect(text).toMatch(/finalize with a short outage +REFUSED: suspend\n/);
  expect(text).toMatch(/finalize live +not proven, for want of checkRelocate, relocateLive\n/);
  expect(text).toMatch(/run a VM from its backup +holds\n/);
  expect(text).toMatch(/left behind +could not unmount/);
  expect(text.match(/^screenshot +held +12 ms +drill +screenshot$/m)).not.toBeNull();
});
