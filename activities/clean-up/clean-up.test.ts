// What a look finds of a session whose Workflow is gone, from gateway and target alone; against both in memory.
import { WorkflowNotFoundError } from '@temporalio/client';
import { beforeEach, expect, it } from 'vitest';
import type { Traces } from '../../contract/index.ts';
import { activityDeps } from '../../test/activity-deps.ts';
import { FakeGateway } from '../../test/fake-gateway.ts';
import { FakeTarget, fakeDatastore, fakeHost } from '../../test/fake-target.ts';
import { runActivity } from '../../test/run-activity.ts';
import { SESSION_KEY } from '../../vm-folder/index.ts';
import type { Step } from '../step.ts';
import { findOrphans } from './find-orphans.ts';

const SESSION = 'web01-x1';
const sealed = { version: 1 as const, sealedTo: '', ephemeralKey: '', ciphertext: '' };
const target = { host: 'esx', port: 443, user: 'root', fingerprint: 'A'.repeat(64), password: sealed };
const SHARE = { remoteHost: '127.0.0.1', remotePath: '/rundirect/esx-b4d11cc5' };
/** Of the target above. */
let targetId: string;

let gateway: FakeGateway;
let host: FakeTarget;

const publish = (sessionId: string, more: { changesDirectory?: string; readOnly?: boolean } = {}) => {
  const { readOnly = false, ...vmx } = more;
  return gateway.publish({
    ...{ sessionId, targetId, allow: ['127.0.0.1'], reserveFactor: 1, readOnly },
    source: { vault: '/v', backupSet: 'web', jobId: 'job-2', vmName: 'web01', setKey: '' },
    vmx: { displayName: 'web01', network: 'original', ...vmx },
  });
};

const look = (input: object = { target }): Promise<Traces> =>
  runActivity(
    activityDeps({ gateway, targets: host.targets }),
    'lookForTraces',
    { sessionId: SESSION, target: undefined, ...input },
    { workflowId: SESSION },
  );

beforeEach(async () => {
  gateway = new FakeGateway();
  host = new FakeTarget();
  targetId = 'esx-none';
  await publish(SESSION);
  // The refusal names what this target is called.
  const refusal = await look().then(String, String);
  targetId = /is (esx-[0-9a-f]{8}):/.exec(refusal)?.[1] ?? refusal;
  gateway.published.clear();
});

it('refuses another target than the export is for', async () => {
  const given = targetId;
  targetId = 'esx-other';
  await publish(SESSION);
  await expect(look()).rejects.toMatchObject({
    type: 'NotOurs',
    message: expect.stringContaining(given) as string,
  });
});

it('finds nothing of a session that the gateway does not have, and asks no target about a browse', async () => {
  expect(await look()).toEqual({ place: undefined, hosts: [], vms: [] });
  await publish(SESSION, { readOnly: true });
  host.isDown = true;
  expect(await look({ target: undefined })).toEqual({ place: undefined, hosts: [], vms: [] });
});

it('asks for the target where there is one', async () => {
  await publish(SESSION);
  await expect(look({ target: undefined })).rejects.toMatchObject({ type: 'InvalidInput' });
});

it('finds the VM by its mark, and by its path where the mark is gone', async () => {
  await publish(SESSION);
  host.production.push(fakeDatastore('local'));
  host.add({ name: 'elsewhere', extraConfig: { [SESSION_KEY]: SESSION }, powerState: 'poweredOn' });
  host.add({ name: 'unmarked', vmPathName: `[rundirect-main] ${SESSION}/web01.vmx` });
  host.add({ name: 'stranger', extraConfig: { [SESSION_KEY]: 'web01-x2' } });
  const { vms } = await look();
  expect(vms.map(({ name, standing, powerState }) => [name, standing, powerState])).toEqual([
    ['elsewhere', 'moved', 'poweredOn'],
    ['unmarked', 'partlyMoved', 'poweredOff'],
  ]);
});

it('knows the folder of changes from what was published', async () => {
  await publish(SESSION, { changesDirectory: `/vmfs/volumes/vmfs 02/rundirect-${SESSION}` });
  const { place } = await look();
  expect(place?.placement.changes).toEqual({ datastore: 'vmfs 02', folder: `rundirect-${SESSION}` });
});

it('names the hosts with a lease of the session, and those that have the datastore and nobody a lease', async () => {
  const { remotePath } = await publish(SESSION);
  host.hosts = [fakeHost, { ...fakeHost, moref: 'host-2', name: 'esx02' }];
  expect((await look()).hosts).toEqual([]);
  await gateway.takeLease({ host: `${targetId}/host-2`, datastore: 'rundirect-main', sessionId: SESSION });
  expect((await look()).hosts).toEqual([{ moref: 'host-2', name: 'esx02', leased: true }]);
  host.mounts.set('rundirect-main', { name: 'rundirect-main', ...SHARE, remotePath });
  expect((await look()).hosts.map(({ moref, leased }) => [moref, leased])).toEqual([
    ['host-2', true],
    ['host-1', false],
  ]);
  await gateway.takeLease({ host: `${targetId}/host-1`, datastore: 'rundirect-main', sessionId: 'web01-x2' });
  expect((await look()).hosts.map(({ moref }) => moref)).toEqual(['host-2']);
});

it('lists the exports whose Workflow is not open, the oldest first, with how it ended', async () => {
  for (const id of ['runs', 'terminated', 'unknown', 'stops meanwhile']) await publish(id);
  const described: Record<string, object | undefined> = {
    runs: { closeTime: undefined },
    terminated: {
      ...{ closeTime: new Date(), status: { name: 'TERMINATED' }, type: 'runDirect' },
      typedSearchAttributes: {
        get: ({ name }: { name: string }) => (name === 'RunDirectState' ? 'running' : undefined),
      },
    },
  };
  const withTemporal = (async (work: (client: object) => Promise<unknown>) =>
    work({
      workflow: {
        getHandle: (id: string) => ({
          describe: async () => {
            if (id === 'stops meanwhile') gateway.published.delete(id);
            return described[id] ?? Promise.reject(new WorkflowNotFoundError('no', id, undefined));
          },
        }),
      },
    })) as unknown as Step['withTemporal'];
  const { orphans } = await findOrphans({ gateway }, { withTemporal });
  expect(
    orphans.map(({ sessionId, ended, state, target: where }) => [sessionId, ended, state, where]),
  ).toEqual([
    ['terminated', 'terminated', 'running', targetId],
    ['unknown', 'unknown', undefined, targetId],
  ]);
});
