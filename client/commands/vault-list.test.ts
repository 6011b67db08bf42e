import { expect, it } from 'vitest';
import { damageIn, vaultTable } from './vault-list.ts';

const set = { name: 'nightly', createdAt: '2026-01-01T00:00:00.000Z', jobs: [] };
const listing = { vault: '/vault', vaultId: 'v-1', backupSets: [set] };

it('tells an empty vault from a set without jobs', () => {
  expect(vaultTable({ ...listing, backupSets: [] })).toBe('The vault /vault holds no backups yet.');
  expect(vaultTable(listing)).toBe('The vault /vault holds no backups in set nightly yet.');
});

it('names what is damaged, and where, in one line each', () => {
  const damaged = ['the manifest\n3', 'the key file'];
  expect(damageIn(listing)).toEqual([]);
  expect(damageIn({ ...listing, backupSets: [{ ...set, damaged }] })).toEqual([
    'damaged in set nightly: the manifest?3',
    'damaged in set nightly: the key file',
  ]);
  expect(vaultTable({ ...listing, backupSets: [{ ...set, damaged }] })).toBe(
    'The vault /vault holds no backup in set nightly that can be read.',
  );
});

it('says from which session a job was kept', () => {
  const job = { jobId: '000001-x', kind: 'full' as const, createdAt: set.createdAt, vms: [], storedBytes: 1 };
  const keptFrom = { sessionId: 'web01-k3', baseJobId: job.jobId, at: set.createdAt, keepId: 'k' };
  const kept = { ...job, jobId: '000002-x', kind: 'delta' as const, keptFrom };
  const [, first, second] = vaultTable({
    ...listing,
    backupSets: [{ ...set, jobs: [job, kept] }],
  }).split('\n');
  expect(first).toMatch(/000001-x +full +/);
  expect(second).toMatch(/000002-x +delta, kept from web01-k3 +/);
});
