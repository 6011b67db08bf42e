// What the client says of what terminated sessions have left, and what it asks a person to look at before.
import { expect, it } from 'vitest';
import type { Orphan } from '../../contract/index.ts';
import { requireSettled } from '../temporal/settled.ts';
import { endText, orphansTable } from './orphans-view.ts';

const orphan = (changes: Partial<Orphan> = {}): Orphan => ({
  ...{ sessionId: 'web01-x1', vm: 'web01', source: { vault: '/v', backupSet: 'web', jobId: 'job-2' } },
  ...{ target: 'esx:443/root', since: '2026-01-01T00:00:00.000Z', changesBytes: 3 << 20, readOnly: false },
  fenced: false,
  ...{ ended: 'terminated', workflowType: 'runDirect', state: 'running' },
  ...changes,
});

it.each<[Partial<Orphan>, string]>([
  [{}, 'terminated'],
  [{ state: 'starting' }, 'terminated while starting'],
  [{ ended: 'timedOut', state: 'finalizing' }, 'timed out while finalizing'],
  [{ ended: 'unknown', workflowType: undefined, state: undefined }, 'not known to Temporal'],
  [{ ended: 'failed', workflowType: 'cleanUp', state: 'failed' }, 'clean-up failed'],
])('%j has ended: %s', (changes, words) => expect(endText(orphan(changes))).toBe(words));

it('shows a browse as what is on no target', () => {
  const lines = orphansTable([orphan(), orphan({ sessionId: 'browse-1', readOnly: true })]).split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/^web01-x1 .*esx:443\/root .*3 MiB {2}terminated$/);
  expect(lines[2]).toContain('– (a browse)');
});

it.each<[Partial<Orphan>, string]>([
  [{ state: 'finalizing' }, 'rundirect-web01-x1.finalize'],
  [{ ended: 'unknown', workflowType: undefined, state: undefined, fenced: true }, 'it was being finalized'],
  [{ workflowType: 'restore' }, 'rundirect-web01-x1.restore'],
  [{ workflowType: 'restoreDisk' }, 'web01-x1.vmdk'],
  [{ sessionId: 'prove-k3v9q2m4xa-outage-1', workflowType: 'prove' }, 'rundirect-prove-k3v9q2m4xa-outage-1'],
])('%j is cleaned up only when what it has in production is settled', (changes, named) => {
  expect(() => requireSettled(orphan(changes), false)).toThrow(named);
  requireSettled(orphan(changes), true);
});

it('a session that ran has nothing in production to settle', () => requireSettled(orphan(), false));
