// One request in, one answer out: the SOAP 1.1 frame around a vim25 method (vSphere Web Services SDK).
import { VsphereError } from '../errors.ts';
import { decodeValue } from '../schema/decode.ts';
import { encodeFields, encodeReference } from '../schema/encode.ts';
import { type Arguments, type ManagedObjectReference, methods, type Results } from '../schema/vim25.ts';
import { errorOfSoapFault } from './fault.ts';
import { child, parseXml, type XmlElement } from './parse.ts';

export type Method = keyof Arguments;

const HEAD =
  '<?xml version="1.0" encoding="UTF-8"?>' +
  '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"' +
  ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">' +
  '<soapenv:Body>';
const TAIL = '</soapenv:Body></soapenv:Envelope>';

/** The whole envelope, for a server that speaks `version`. Throws `InvalidInput` for what the table refuses. */
export function encodeRequest<M extends Method>(
  method: M,
  self: ManagedObjectReference,
  parameters: Arguments[M],
  version: string,
): string {
  const body = encodeFields(methods[method].parameters, parameters, version, method);
  return `${HEAD}<${method} xmlns="urn:vim25">${encodeReference('_this', self, method)}${body}</${method}>${TAIL}`;
}

/** What the method returned; throws what the server's fault means. `what` names the call in the error. */
export function decodeResponse<M extends Method>(method: M, text: string, what: string): Results[M] {
  const body = child(parseXml(text), 'Body');
  const answer = body?.children[0];
  if (answer === undefined) {
    throw new VsphereError('TargetUnavailable', `${what} failed: the answer is not a SOAP envelope.`);
  }
  if (answer.name === 'Fault') throw errorOfSoapFault(answer, what);
  return decodeResult(method, answer) as Results[M];
}

function decodeResult(method: Method, answer: XmlElement): unknown {
  const returns = methods[method].returns;
  const values = answer.children.filter((each) => each.name === 'returnval');
  if (returns === undefined) return undefined;
  if (returns.list === true) return values.map((each) => decodeValue(returns.type, each));
  return values[0] === undefined ? undefined : decodeValue(returns.type, values[0]);
}
