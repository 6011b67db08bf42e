import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { targetSubject } from '../../contract/index.ts';
import { loadSiteKey, type SiteKey } from '../../secrets/index.ts';
import { type StartOptions, startInput } from './start-input.ts';

let directory: string;
let siteKey: SiteKey;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rundirect-start-'));
  siteKey = await loadSiteKey(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const options: StartOptions = {
  ...{ vault: '/vault', set: 'nightly', job: 'latest', vm: 'web01', user: 'root', site: 'main' },
  target: { host: 'esx1', port: 443 },
  ...{
    vmotion: 'auto',
    network: 'original',
    powerOn: true,
    verify: 'none',
    guestTimeout: 300_000,
    reserveFactor: 1.5,
    changes: 'gateway',
  },
};
const facts = () => ({
  ...{ commandedAtMs: 1, fingerprint: 'ab'.repeat(32), siteKey: siteKey.publicKey },
  ...{ passphrase: Buffer.from('open sesame'), password: Buffer.from('hunter2') },
});

it('carries every flag, and no secret that Temporal could read', () => {
  const input = startInput(
    { ...options, name: 'copy', host: 'h', folder: 'f', resourcePool: 'r' },
    facts(),
    'web01-x',
  );
  expect(input).toMatchObject({
    sessionId: 'web01-x',
    source: { vault: '/vault', backupSet: 'nightly', jobId: 'latest', vmName: 'web01' },
    target: { host: 'esx1', port: 443, user: 'root', fingerprint: 'AB'.repeat(32) },
    placement: { name: 'copy', host: 'h', folder: 'f', resourcePool: 'r', network: 'original' },
    ...{ powerOn: true, verify: 'none', guestTimeoutMs: 300_000, reserveFactor: 1.5 },
  });
  expect(JSON.stringify(input)).not.toMatch(/open sesame|hunter2/);
});

it('seals each secret for this session, its purpose and its subject alone', () => {
  const { source, target } = startInput(options, facts(), 'web01-x');
  const binding = { workflowId: 'web01-x', purpose: 'set-passphrase', subject: 'nightly' };
  const opened = siteKey.open(source.passphrase, binding);
  expect(Buffer.from(opened).toString()).toBe('open sesame');
  const password = siteKey.open(target.password, {
    ...binding,
    purpose: 'target-password',
    subject: targetSubject(target),
  });
  expect(Buffer.from(password).toString()).toBe('hunter2');
  expect(() => siteKey.open(source.passphrase, { ...binding, workflowId: 'web01-y' })).toThrow();
  expect(() => siteKey.open(target.password, binding)).toThrow();
});

it('says where single cards go, and whether addresses and UUIDs are new', () => {
  const nic = [{ node: 'ethernet0', network: 'Test' }, { node: 'ethernet1' }];
  const { placement } = startInput({ ...options, nic, mac: 'renew', uuid: 'renew' }, facts(), 'web01-x');
  expect(placement).toMatchObject({ cards: nic, mac: 'renew', uuid: 'renew', network: 'original' });
});

it("has the VM take its original's place at once, with no datastore named", () => {
  const flags = { autoMigrate: true, location: 'original', powerOffOriginal: true } as const;
  expect(startInput({ ...options, ...flags }, facts(), 'web01-x').autoMigrate).toEqual({
    ...{ location: 'original', powerOffOriginal: true, vmotion: 'auto' },
  });
  expect(() => startInput({ ...options, location: 'original' }, facts(), 'web01-x')).toThrow(
    '--auto-migrate',
  );
});

it('says where changes go, unless that is the gateway', () => {
  expect(startInput(options, facts(), 'web01-x')).not.toHaveProperty('changes');
  const changes = { datastore: 'vmfs02' };
  expect(startInput({ ...options, changes }, facts(), 'web01-x').changes).toEqual(changes);
});

it('asks for the migration at once only with a place to go to', () => {
  expect(startInput(options, facts(), 'web01-x')).not.toHaveProperty('autoMigrate');
  const input = startInput({ ...options, autoMigrate: true, datastore: 'vmfs01' }, facts(), 'web01-x');
  expect(input.autoMigrate).toEqual({ datastore: 'vmfs01', vmotion: 'auto' });
});

it.each<[string, Partial<StartOptions>]>([
  ['a migration to nowhere', { autoMigrate: true }],
  ['a place without a migration', { datastore: 'vmfs01' }],
  ['a name that no inventory takes', { name: 'x'.repeat(81) }],
  ['a guest awaited for more than an hour', { guestTimeout: 3_600_001 }],
  ['room for changes beyond all measure', { reserveFactor: 11 }],
])('refuses %s', (_, changes) => {
  expect(() => startInput({ ...options, ...changes }, facts(), 'web01-x')).toThrow(
    expect.objectContaining({ code: 'Usage' }) as Error,
  );
});
