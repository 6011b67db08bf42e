// For what a drill's secrets open, and for what they do not: with a real site key, as a step opens them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { drillWorkflowId, type SiteActivities, targetSubject } from '../contract/index.ts';
import { loadSiteKey, type SiteKey, seal } from '../secrets/index.ts';
import { secretOwner } from './secret-owner.ts';

const address = { host: 'esx.example', port: 443, user: 'root' };
let folder: string;
let siteKey: SiteKey;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'owner-'));
  siteKey = await loadSiteKey(folder);
});
afterAll(() => rm(folder, { recursive: true }));

/** Seals for `sealedFor` as a client does, and opens in a step as a site does. */
function opens(sealedFor: string, workflowId: string, step: keyof SiteActivities): boolean {
  const binding = { purpose: 'target-password', subject: targetSubject(address) };
  const sealed = seal(siteKey.publicKey, Buffer.from('secret'), { ...binding, workflowId: sealedFor });
  try {
    siteKey.open(sealed, { ...binding, workflowId: secretOwner(workflowId, step) });
    return true;
  } catch (error) {
    const code = error instanceof ApplicationFailure ? error.type : (error as { code?: string }).code;
    expect(code).toBe('SecretRejected');
    return false;
  }
}

const nightly = drillWorkflowId('nightly');

it.each<[string, string, keyof SiteActivities]>([
  ['a drill that is run once', 'drill:nightly', 'makeDrillNetwork'],
  ['its session', 'drill-nightly-vm1', 'publish'],
  ['a run of the schedule', 'drill:nightly-2026-11-23T03:00:00Z', 'takeDrillPicture'],
  ['another run', 'drill:nightly-2026-11-24T03:00:00Z', 'removeDrillNetwork'],
  ["a run's session", 'drill-nightly-20261124t030000z-vm2', 'powerOnVm'],
])("a drill's secret opens for %s", (_, workflowId, step) => {
  expect(opens(nightly, workflowId, step)).toBe(true);
});

it.each<[string, string, keyof SiteActivities]>([
  ['another drill', 'drill:nightl', 'makeDrillNetwork'],
  ['a drill whose name begins alike', 'drill:nightly-2', 'makeDrillNetwork'],
  ["another drill's session", 'drill-nightly-2-vm1', 'publish'],
  ['a session that is no drill’s', 'nightly-k3v9q2m4xa', 'publish'],
  ['a session with a name like one', 'drill-nightly-k3v9q2m4xa', 'publish'],
  ['a backup under the id of the drill', 'drill:nightly', 'backup'],
  ['a backup under the id of its session', 'drill-nightly-vm1', 'backup'],
  ['a migration of its VM to production', 'drill-nightly-vm1', 'migrateVm'],
])("a drill's secret opens for no %s", (_, workflowId, step) => {
  expect(opens(nightly, workflowId, step)).toBe(false);
});

it("a session's secret opens for no drill that takes its id", () => {
  expect(opens('web01-k3v9q2m4xa', 'web01-k3v9q2m4xa', 'publish')).toBe(true);
  expect(opens('web01-k3v9q2m4xa', 'drill:web01-k3v9q2m4xa', 'openDrill')).toBe(false);
  expect(opens('drill-nightly-vm1', 'drill-nightly-vm1', 'publish')).toBe(false);
});
