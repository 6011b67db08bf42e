// Turns through the control socket with its real client: who comes before whom, across a restart of the gateway.
import { expect, it } from 'vitest';
import { GatewayClient } from './gateway-client.ts';
import { testGateway, testSite } from './testing/fixture.ts';

const PROD = 'lab-1/datastore-1';
const FAST = 'lab-1/datastore-2';
const request = (sessionId: string, ...places: string[]) => ({ sessionId, places, atATime: 2 });

it('gives so many a turn at a time, first come, first served, and keeps the queue across a restart', async () => {
  await using site = await testSite();
  const gateway = await testGateway(site);
  const client = new GatewayClient(gateway.controlSocketPath);
  const before = async (sessionId: string): Promise<readonly string[]> =>
    (await client.takeTurn(request(sessionId, PROD))).waitsFor;
  expect(await before('s1')).toEqual([]);
  expect(await before('s2')).toEqual([]);
  expect(await before('s3')).toEqual(['s1', 's2']);
  expect(await before('s4')).toEqual(['s1', 's2', 's3']);
  // Asked again, nobody loses a place.
  expect([await before('s1'), await before('s3')]).toEqual([[], ['s1', 's2']]);
  await gateway.close();
  await using again = await testGateway(site);
  expect(again.controlSocketPath).toBe(gateway.controlSocketPath);
  expect((await client.turns()).map(({ sessionId }) => sessionId)).toEqual(['s1', 's2', 's3', 's4']);
  await client.releaseTurn('s2');
  await client.releaseTurn('s2');
  expect([await before('s3'), await before('s4')]).toEqual([[], ['s1', 's3']]);
});

it('takes the turns at several places at once, so that two that want the same ones never wait for each other', async () => {
  await using site = await testSite();
  await using gateway = await testGateway(site);
  const client = new GatewayClient(gateway.controlSocketPath);
  const take = async (sessionId: string, ...places: string[]): Promise<readonly string[]> =>
    (await client.takeTurn({ ...request(sessionId, ...places), atATime: 1 })).waitsFor;
  expect(await take('s1', PROD)).toEqual([]);
  expect(await take('s2', FAST, PROD)).toEqual(['s1']);
  expect(await take('s3', FAST)).toEqual(['s2']);
  await client.releaseTurn('s1');
  expect([await take('s2', FAST, PROD), await take('s3', FAST)]).toEqual([[], ['s2']]);
  // Another place is another turn.
  expect(await take('s2', PROD)).toEqual([]);
  expect(await take('s3', FAST)).toEqual([]);
});
