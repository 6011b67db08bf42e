import { expect, test } from 'vitest';
import { connect, VsphereError } from './index.ts';
import { openSession, versionsIn } from './session.ts';
import {
  envelope,
  faultAnswer,
  returns,
  type ScriptedServer,
  SERVICE_CONTENT,
  startScriptedServer,
} from './testing/scripted-server.ts';

const PASSWORD = 'correct <horse> & "battery"';
const vm = { type: 'VirtualMachine', value: '1' } as const;

const credentials = ({ port, fingerprint }: ScriptedServer) => ({
  host: '127.0.0.1',
  port,
  fingerprint,
  user: 'root',
  password: PASSWORD,
});

test('it speaks the newest version that both know, and keeps the cookie of the login', async () => {
  await using server = await startScriptedServer(() => undefined);
  const session = await openSession(credentials(server));
  await session.call('ShutdownGuest', vm, {});
  await session[Symbol.asyncDispose]();
  expect(session.version).toBe('8.0.3.0');
  const methods = server.asked.map((each) => each.method);
  expect(methods).toEqual([
    '/sdk/vimServiceVersions.xml',
    'RetrieveServiceContent',
    'Login',
    'ShutdownGuest',
    'Logout',
  ]);
  expect(server.asked.at(2)?.cookie).toBe('');
  expect(server.asked.at(3)?.cookie).toBe('vmware_soap_session="abc123"');
  expect(server.asked.at(3)?.soapAction).toBe('"urn:vim25/8.0.3.0"');
});

test('of versions newer than the table, the newest known one is taken', () => {
  const xml =
    '<namespaces version="1.0"><namespace><name>urn:vim25</name><version>99.0.0.0</version>' +
    '<priorVersions><version>8.0.3.0</version></priorVersions></namespace></namespaces>';
  expect(versionsIn(xml)).toEqual(['99.0.0.0', '8.0.3.0']);
});

test('a session that ended is renewed once, and what changes nothing is repeated', async () => {
  let ended = false;
  await using server = await startScriptedServer(({ method }) => {
    if (method === 'Login') ended = false;
    if (method === 'CurrentTime' && ended)
      return faultAnswer('NotAuthenticated', 'The session is not authenticated.');
    return method === 'CurrentTime'
      ? returns(method, '<returnval>2026-01-01T00:00:00Z</returnval>')
      : undefined;
  });
  await using session = await openSession(credentials(server));
  ended = true;
  const service = { type: 'ServiceInstance', value: 'ServiceInstance' };
  const times = await Promise.all([1, 2, 3, 4].map(() => session.call('CurrentTime', service, {})));
  expect(times).toEqual(Array.from({ length: 4 }, () => '2026-01-01T00:00:00Z'));
  expect(server.count('Login')).toBe(2);
});

test('what changes something is not repeated by itself', async () => {
  let ended = true;
  await using server = await startScriptedServer(({ method }) =>
    method === 'ShutdownGuest' && ended ? faultAnswer('NotAuthenticated', 'gone') : undefined,
  );
  await using session = await openSession(credentials(server));
  await expect(session.call('ShutdownGuest', vm, {})).rejects.toMatchObject({
    code: 'TargetUnavailable',
    fault: 'NotAuthenticated',
  });
  expect(server.count('ShutdownGuest')).toBe(1);
  expect(server.count('Login')).toBe(2);
  ended = false;
  await session.call('ShutdownGuest', vm, {});
});

test('a session that can not be renewed says why, and tries no more than once', async () => {
  let logins = 0;
  await using server = await startScriptedServer(({ method }) => {
    if (method === 'Login' && ++logins > 1) return faultAnswer('InvalidLogin', 'Cannot complete login.');
    return method === 'CurrentTime' ? faultAnswer('NotAuthenticated', 'gone') : undefined;
  });
  await using session = await openSession(credentials(server));
  const call = session.call('CurrentTime', { type: 'ServiceInstance', value: 'ServiceInstance' }, {});
  await expect(call).rejects.toMatchObject({ code: 'InvalidLogin' });
  expect(server.count('Login')).toBe(2);
});

test('a wrong password is InvalidLogin, and is in no part of the error', async () => {
  await using server = await startScriptedServer(({ method }) =>
    method === 'Login'
      ? faultAnswer('InvalidLogin', 'Cannot complete login due to an incorrect password.')
      : undefined,
  );
  const error: unknown = await connect(credentials(server)).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'InvalidLogin', fault: 'InvalidLogin' });
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    expect(`${each.message}${each.stack ?? ''}${JSON.stringify(each)}`).not.toContain('battery');
  }
  expect(server.asked.find((each) => each.method === 'Login')?.body).toContain('battery');
});

test.each([
  ['a broken connection', 'break' as const],
  ['a page of a proxy', { status: 200, body: '<html><body>It works!</body></html>' }],
  ['a service that starts', { status: 503, body: '503 Service Unavailable' }],
  ['half an answer', { body: envelope('<LoginResponse xmlns="urn:vim25"></LoginResponse>').slice(0, -20) }],
])('%s is TargetUnavailable', async (_name, answer) => {
  await using server = await startScriptedServer(({ method }) => (method === 'Login' ? answer : undefined));
  await expect(connect(credentials(server))).rejects.toMatchObject({ code: 'TargetUnavailable' });
});

test('a call that hangs ends with its time, or with the signal of its caller', async () => {
  await using server = await startScriptedServer(({ method }) =>
    method === 'ShutdownGuest' ? 'hang' : undefined,
  );
  await using session = await openSession(credentials(server));
  const impatient = session.call('ShutdownGuest', vm, {}, { answerWithinMs: 50 });
  await expect(impatient).rejects.toMatchObject({ code: 'TargetUnavailable' });
  const enough = new AbortController();
  const cancelled = session.call('ShutdownGuest', vm, {}, { signal: enough.signal });
  enough.abort();
  await expect(cancelled).rejects.toMatchObject({ code: 'Cancelled' });
});

test('a server that is too old is refused with the versions that it offers', async () => {
  const versions =
    '<namespaces><namespace><name>urn:vim25</name><version>5.5</version></namespace></namespaces>';
  await using server = await startScriptedServer(({ method }) =>
    method === '/sdk/vimServiceVersions.xml' ? { body: versions } : undefined,
  );
  const error: unknown = await connect(credentials(server)).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(VsphereError);
  expect(error).toMatchObject({ code: 'NotSupported' });
  expect((error as Error).message).toContain('5.5');
});

test('a server in another dress is understood: other prefixes, xsi:type beside type', async () => {
  const dressed = (method: string, inner: string): string =>
    `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance"><S:Body><v:${method}Response xmlns:v="urn:vim25">${inner}</v:${method}Response></S:Body></S:Envelope>`;
  const content = SERVICE_CONTENT.replaceAll(/<(\/?)(\w+)/g, '<$1v:$2').replace(
    'type="Folder"',
    'XMLSchema-instance:type="v:ManagedObjectReference" type="Folder"',
  );
  await using server = await startScriptedServer(({ method }) =>
    method === 'RetrieveServiceContent' ? { body: dressed(method, content) } : undefined,
  );
  await using session = await openSession(credentials(server));
  expect(session.content.rootFolder).toEqual({ type: 'Folder', value: 'ha-folder-root' });
  expect(session.content.about.apiType).toBe('HostAgent');
});
