// Two sites on one Temporal and one vCenter, each with a vault, a gateway, a worker and a host of its own: while all
// processes of one are dead, the other starts and stops as if nothing were; when they are back, the first one's guest
// goes on where it was.
import { beforeAll, expect, test } from 'vitest';
import { type House, openHouse } from '../../demo/house.ts';
import { leftovers } from '../../demo/leftovers.ts';
import { connect } from '../../vsphere/index.ts';
import { withHouse } from './with-house.ts';

const SITES = ['main', 'paris'] as const;
const suite = withHouse({ model: 'vcenter', sites: SITES });
const SET = 'nightly';
const VM = 'web01';

let paris: House;
/** A host for each site. */
let hosts: readonly string[];

beforeAll(async () => {
  const { house } = suite;
  const { stack } = house;
  paris = await openHouse(stack, stack.sites[1]);
  const vm = await house.createVm(VM);
  for (const site of [house, paris]) await site.backup(SET, vm.folder);
  await vm.destroy();
  await using vsphere = await connect(stack.lab.ready);
  hosts = (await vsphere.inventory()).hosts.map(({ name }) => name);
});

const flagsFor = (place: 0 | 1, name: string): string[] => [
  ...['--host', hosts[place] ?? '', '--name', name, '--network', 'disconnected'],
];

async function sessionsOf(site: string): Promise<unknown[]> {
  const { sessions } = (await suite.house.succeed(['sessions', '--site', site])) as {
    sessions?: { sessionId: string }[];
  };
  return (sessions ?? []).map(({ sessionId }) => sessionId);
}

test('one starts and stops while the other is dead, which then goes on where it was', async () => {
  const main = suite.house;
  const [here, there] = await Promise.all([
    main.start(SET, VM, ...flagsFor(0, 'here')),
    paris.start(SET, VM, ...flagsFor(1, 'there')),
  ]);
  expect([here.site, there.site]).toEqual(SITES);
  expect([here.vm?.datastore, there.vm?.datastore]).toEqual(['rundirect-main', 'rundirect-paris']);
  expect(await sessionsOf('main')).toEqual([here.sessionId]);
  expect(await sessionsOf('paris')).toEqual([there.sessionId]);
  const guest = await (await main.sessionVm(here)).guest();
  await guest.write('before');

  await main.site.worker.kill('SIGKILL');
  await main.site.gateway.kill('SIGKILL');
  const killedMs = Date.now();
  const another = await paris.start(SET, VM, ...flagsFor(1, 'another'));
  const startedMs = Date.now();
  await paris.stop(there.sessionId);
  console.log(
    `with the other site dead: started in ${startedMs - killedMs} ms, stopped in ${Date.now() - startedMs} ms`,
  );
  expect(another).toMatchObject({ state: 'running', status: 'OK', site: 'paris' });
  expect(await sessionsOf('paris')).toEqual([another.sessionId]);
  expect(await sessionsOf('main')).toEqual([here.sessionId]);

  await main.site.gateway.start();
  await main.site.worker.start();
  await guest.write('after');
  expect(await guest.notes()).toEqual(['before', 'after']);
  await Promise.all([main.stop(here.sessionId), paris.stop(another.sessionId)]);
  expect(await leftovers(main.stack)).toEqual([]);
});
