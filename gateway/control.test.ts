// The control socket with its real client: errors keep their code, leases outlive a restart, locks do not outlive
// their holder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GatewayClient } from './gateway-client.ts';
import { GatewayError } from './gateway-error.ts';
import { controlSocketPath } from './state-directory.ts';
import { publishRequest, testGateway, testSite } from './testing/fixture.ts';

const HOLDER = join(import.meta.dirname, 'testing', 'lock-holder-process.ts');

describe('the control socket', () => {
  it('carries errors with their code', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    await expect(client.exportStatus('nobody')).rejects.toMatchObject({ code: 'NotFound' });
    await expect(client.publish(publishRequest(site, 'a/b'))).rejects.toMatchObject({ code: 'InvalidInput' });
    await client.publish(publishRequest(site, 's1'));
    await expect(client.publish(publishRequest(site, 's1', { allow: ['10.0.0.1'] }))).rejects.toMatchObject({
      code: 'ExportConflict',
    });
    await client.drop('s1');
    await expect(client.publish(publishRequest(site, 's1'))).rejects.toMatchObject({ code: 'ExportDropped' });
    const space = await client.space({ provisionedBytes: 2 ** 52, reserveFactor: 1.5 });
    expect(space.fits).toBe(false);
  });

  it('says to whom asks for what it does not know that the gateway is to be upgraded', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    // No call of this client: it names nobody.
    const unknown = client.releaseTurn('');
    await expect(unknown).rejects.toMatchObject({ code: 'UnknownCall' });
    await expect(unknown).rejects.toThrow('does not know DELETE /turns/: it is older');
  });

  it('tells what lies in a directory, and how stable a host asked its writes to be', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    await client.publish(publishRequest(site, 's1'));
    const files = await client.files('s1');
    expect(files.map(({ name }) => name)).toContain('web01-flat.vmdk');
    expect(files.every(({ writes }) => writes.stable === 0 && writes.unstable === 0)).toBe(true);
    await expect(client.files('s2')).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('waits for a gateway that hangs no longer than it is told to', async () => {
    await using site = await testSite();
    const socketPath = controlSocketPath(site.stateDirectory);
    await using silent = createServer((socket) => socket.resume());
    silent.listen(socketPath);
    const client = new GatewayClient(socketPath, { silenceMs: 50 });
    await expect(client.status()).rejects.toMatchObject({ code: 'GatewayUnavailable' });
    await expect(client.status()).rejects.toThrow('silent for 0.05 s');
  });

  it('says how to start a gateway that is not there', async () => {
    const client = new GatewayClient('/nowhere/control.sock');
    const error = await client.status().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'GatewayUnavailable' });
    expect((error as Error).message).toContain('/nowhere/control.sock');
    expect((error as Error).message).toContain('rundirect gateway');
    expect(() => controlSocketPath(`/${'x'.repeat(120)}`)).toThrow('longer');
  });

  it('keeps leases across a restart, one by one', async () => {
    await using site = await testSite();
    const gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    const lease = (sessionId: string) => ({ host: 'esx', datastore: 'rundirect-main', sessionId });
    await client.takeLease(lease('s1'));
    await client.takeLease(lease('s1'));
    expect(await client.takeLease(lease('s2'))).toEqual([lease('s1'), lease('s2')]);
    await client.takeLease({ ...lease('s3'), host: 'other' });
    await gateway.close();
    await using again = await testGateway(site);
    expect(again.controlSocketPath).toBe(gateway.controlSocketPath);
    expect(await client.leases()).toHaveLength(3);
    expect(await client.releaseLease(lease('s1'))).toEqual([lease('s2')]);
    expect(await client.releaseLease(lease('s1'))).toEqual([lease('s2')]);
    expect(await client.releaseLease(lease('s2'))).toEqual([]);
  });

  it('gives no lease to a session that was dropped', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    await client.publish(publishRequest(site, 's1'));
    await client.drop('s1');
    const lease = { host: 'esx', datastore: 'rundirect-main', sessionId: 's1' };
    await expect(client.takeLease(lease)).rejects.toMatchObject({ code: 'ExportDropped' });
    expect(await client.leases()).toEqual([]);
    expect(await client.releaseLease(lease)).toEqual([]);
  });

  it('gives a lock to one at a time, in the order of asking', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    let inside = 0;
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2, 3, 4].map((number) =>
        client.withLock('mount esx', `s${number}`, async () => {
          inside += 1;
          expect(inside).toBe(1);
          await client.status();
          order.push(number);
          inside -= 1;
        }),
      ),
    );
    expect(order.toSorted()).toEqual([0, 1, 2, 3, 4]);
    await expect(client.withLock('x', 's', () => Promise.reject(new Error('inside')))).rejects.toThrow(
      'inside',
    );
    await client.withLock('x', 's', async () => {
      await client.withLock('y', 's', async () => undefined);
      const waiting = new AbortController();
      const second = client.withLock('x', 's2', async () => undefined, waiting.signal);
      waiting.abort(new Error('gave up'));
      await expect(second).rejects.toThrow('gave up');
    });
    await client.withLock('x', 's', async () => undefined);
  });

  it('frees a lock when its holder is killed', async () => {
    await using site = await testSite();
    await using gateway = await testGateway(site);
    const client = new GatewayClient(gateway.controlSocketPath);
    const holder = spawn(process.execPath, [HOLDER, gateway.controlSocketPath, 'mount esx'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    let held = false;
    const mine = client.withLock('mount esx', 'me', async () => {
      held = true;
    });
    await client.status();
    expect(held).toBe(false);
    holder.kill('SIGKILL');
    await mine;
    expect(held).toBe(true);
  });
});
