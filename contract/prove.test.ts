// Names of proofs, and what their rows say of features.
import { expect, it } from 'vitest';
import { MAX_VM_NAME_CHARACTERS, sessionIdSchema } from './names.ts';
import {
  type ProvePrimitive,
  type ProveRow,
  proveIdFor,
  proveOfSession,
  provePrimitives,
  proveRounds,
  proveSessionId,
  proveVerdict,
  proveVmName,
} from './prove.ts';

const ID = proveIdFor('abcdefgh01');
const all = Object.keys(provePrimitives) as ProvePrimitive[];
const rows = (changes: Partial<Record<ProvePrimitive, ProveRow['outcome']>> = {}): ProveRow[] =>
  all.map((primitive) => ({ primitive, outcome: changes[primitive] ?? 'held', detail: '' }));

it('knows the proof of each of its sessions, and of no other', () => {
  for (const round of proveRounds) {
    const sessionId = proveSessionId(ID, round, 3);
    expect(sessionIdSchema.parse(sessionId)).toBe(sessionId);
    expect(proveOfSession(sessionId)).toBe(ID);
    expect(proveVmName(sessionId).length).toBeLessThan(MAX_VM_NAME_CHARACTERS);
  }
  for (const other of [ID, 'web01-abcdefgh01', 'prove-abc-run-1', `${ID}-run-1-x`, `x-${ID}-run-1`]) {
    expect(proveOfSession(other)).toBeUndefined();
  }
});

it('says of a feature what the primitives say that it needs', () => {
  expect(proveVerdict(rows(), 'shortOutage')).toBe('holds');
  expect(proveVerdict(rows({ suspend: 'refused', resume: 'skipped' }), 'shortOutage')).toBe('refused');
  expect(proveVerdict(rows({ suspend: 'refused' }), 'run')).toBe('holds');
  expect(proveVerdict(rows({ relocateLive: 'skipped' }), 'live')).toBe('unproven');
  expect(proveVerdict([], 'run')).toBe('unproven');
});
