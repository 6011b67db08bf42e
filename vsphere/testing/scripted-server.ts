// For tests: a TLS server that answers vim25 requests from a script, for what neither a simulator nor a lab
// does on demand: sessions that end, connections that break, answers in unusual dress.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type Certificate, listen, makeCertificate } from './tls-server.ts';

export interface Asked {
  /** The method's name; the path for what is not SOAP. */
  readonly method: string;
  readonly body: string;
  readonly cookie: string;
  readonly soapAction: string;
}

export type Answer =
  | { readonly body: string; readonly status?: number; readonly setCookie?: string }
  | 'break'
  | 'hang';
export type Script = (asked: Asked) => Answer | undefined | Promise<Answer | undefined>;

export interface ScriptedServer extends AsyncDisposable {
  readonly port: number;
  readonly fingerprint: string;
  /** Every request so far, in order. */
  readonly asked: readonly Asked[];
  count(method: string): number;
}

/** Answers by `script`, and the way of a plain ESXi host where the script has nothing to say. */
export async function startScriptedServer(script: Script): Promise<ScriptedServer> {
  const certificate: Certificate = makeCertificate();
  const asked: Asked[] = [];
  const server: Server = createServer(
    { key: certificate.key, cert: certificate.cert },
    (request, response) => {
      void readBody(request).then(async (body) => {
        const one = describe(request, body);
        asked.push(one);
        reply((await script(one)) ?? defaultAnswer(one), response);
      });
    },
  );
  return {
    port: await listen(server),
    fingerprint: certificate.fingerprint,
    asked,
    count: (method) => asked.filter((each) => each.method === method).length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function envelope(inner: string): string {
  return (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"' +
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">' +
    `<soapenv:Body>${inner}</soapenv:Body></soapenv:Envelope>`
  );
}

/** As a host answers when it refuses a call. */
export function faultAnswer(fault: string, text: string): Answer {
  const detail = `<detail><${fault}Fault xmlns="urn:vim25" xsi:type="${fault}"></${fault}Fault></detail>`;
  return {
    status: 500,
    body: envelope(
      `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>${text}</faultstring>${detail}</soapenv:Fault>`,
    ),
  };
}

export function returns(method: string, returnval: string): Answer {
  return { body: envelope(`<${method}Response xmlns="urn:vim25">${returnval}</${method}Response>`) };
}

export const SERVICE_CONTENT =
  '<returnval><rootFolder type="Folder">ha-folder-root</rootFolder>' +
  '<propertyCollector type="PropertyCollector">ha-property-collector</propertyCollector>' +
  '<viewManager type="ViewManager">ViewManager</viewManager>' +
  '<about><name>VMware ESXi</name><fullName>VMware ESXi 8.0.3 build-24022510</fullName><vendor>VMware, Inc.</vendor>' +
  '<version>8.0.3</version><build>24022510</build><osType>vmnix-x86</osType><productLineId>embeddedEsx</productLineId>' +
  '<apiType>HostAgent</apiType><apiVersion>8.0.3.0</apiVersion></about>' +
  '<sessionManager type="SessionManager">ha-sessionmgr</sessionManager>' +
  '<searchIndex type="SearchIndex">ha-searchindex</searchIndex>' +
  '<vmProvisioningChecker type="VirtualMachineProvisioningChecker">ProvChecker</vmProvisioningChecker></returnval>';

const VERSIONS =
  '<?xml version="1.0" encoding="UTF-8" ?><namespaces version="1.0"><namespace><name>urn:vim25</name>' +
  '<version>8.0.3.0</version><priorVersions><version>8.0.2.0</version><version>6.5</version></priorVersions>' +
  '</namespace></namespaces>';

function defaultAnswer({ method }: Asked): Answer {
  switch (method) {
    case '/sdk/vimServiceVersions.xml':
      return { body: VERSIONS };
    case 'RetrieveServiceContent':
      return returns(method, SERVICE_CONTENT);
    case 'Login':
      return {
        ...(returns(method, SESSION) as { body: string }),
        setCookie: 'vmware_soap_session="abc123"; Path=/; HttpOnly; Secure;',
      };
    default:
      return returns(method, '');
  }
}

const SESSION =
  '<returnval><key>52</key><userName>root</userName><fullName>root</fullName>' +
  '<loginTime>2026-01-01T00:00:00Z</loginTime><lastActiveTime>2026-01-01T00:00:00Z</lastActiveTime>' +
  '<locale>en</locale><messageLocale>en</messageLocale><extensionSession>false</extensionSession>' +
  '<ipAddress>127.0.0.1</ipAddress><userAgent></userAgent><callCount>1</callCount></returnval>';

function reply(answer: Answer, response: ServerResponse): void {
  if (answer === 'hang') return;
  if (answer === 'break') {
    response.destroy();
    return;
  }
  if (answer.setCookie !== undefined) response.setHeader('set-cookie', answer.setCookie);
  response.statusCode = answer.status ?? 200;
  response.setHeader('content-type', 'text/xml; charset=utf-8');
  response.end(answer.body);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function describe(request: IncomingMessage, body: string): Asked {
  return {
    method: /<soapenv:Body><(\w+)/.exec(body)?.[1] ?? request.url ?? '',
    body,
    cookie: request.headers.cookie ?? '',
    soapAction: String(request.headers['soapaction'] ?? ''),
  };
}
