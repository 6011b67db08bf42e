import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VsphereError } from '../errors.ts';
import { envelope } from '../testing/scripted-server.ts';
import { decodeResponse } from './envelope.ts';
import { child, parseXml } from './parse.ts';

const device = (type: string, inner: string): string =>
  `<VirtualDevice xsi:type="${type}">${inner}</VirtualDevice>`;

/** As ESXi 8 answers for a VM: a disk on a snapshot, a card, a controller that the table does not know. */
const ANSWER = envelope(
  '<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval><token>1</token><objects>' +
    '<obj type="VirtualMachine">42</obj>' +
    '<propSet><name>config.hardware.device</name><val xsi:type="ArrayOfVirtualDevice">' +
    device(
      'ParaVirtualSCSIController',
      '<key>1000</key><busNumber>0</busNumber><hotAddRemove>true</hotAddRemove>',
    ) +
    device(
      'VirtualDisk',
      '<key>2000</key><deviceInfo><label>Hard disk 1</label><summary>1,048,576 KB</summary></deviceInfo>' +
        '<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds &amp; co] a/a-000001.vmdk</fileName>' +
        '<diskMode>persistent</diskMode><parent><fileName>[ds &amp; co] a/a.vmdk</fileName><diskMode>persistent</diskMode>' +
        '</parent></backing><capacityInKB>1048576</capacityInKB><capacityInBytes>1073741824</capacityInBytes>',
    ) +
    device(
      'VirtualVmxnet3',
      '<key>4000</key><macAddress>00:50:56:00:00:01</macAddress><newField>1</newField>',
    ) +
    '</val></propSet><propSet><name>config.extraConfig</name><val xsi:type="ArrayOfOptionValue">' +
    '<OptionValue xsi:type="OptionValue"><key>note</key><value xsi:type="xsd:string">one&#xD;&#10;two &amp;#65;</value></OptionValue>' +
    '</val></propSet><missingSet><path>config.annotation</path><fault><fault xsi:type="NoPermission">' +
    '<object type="VirtualMachine">42</object><privilegeId>System.Read</privilegeId></fault><localizedMessage></localizedMessage>' +
    '</fault></missingSet></objects></returnval></RetrievePropertiesExResponse>',
);

test('an answer of a host is read, whatever more it says', () => {
  const result = decodeResponse('RetrievePropertiesEx', ANSWER, 'reading');
  expect(result?.token).toBe('1');
  const [object] = result?.objects ?? [];
  expect(object?.obj).toEqual({ type: 'VirtualMachine', value: '42' });
  expect(object?.propSet?.map((each) => each.name)).toEqual(['config.hardware.device', 'config.extraConfig']);
  expect(object?.missingSet?.[0]?.fault.fault.$type).toBe('NoPermission');
});

test('references to characters are decoded once', () => {
  const body = child(parseXml(ANSWER), 'Body');
  const texts: string[] = [];
  const visit = (element: typeof body): void => {
    if (element?.name === 'value') texts.push(element.text);
    element?.children.forEach(visit);
  };
  visit(body);
  expect(texts).toEqual(['one\r\ntwo &#65;']);
});

test('an answer that is cut off anywhere is TargetUnavailable', () => {
  for (let length = 0; length < ANSWER.length; length += 7) {
    const decode = () => decodeResponse('RetrievePropertiesEx', ANSWER.slice(0, length), 'reading');
    expect(decode, `cut at ${length}`).toThrow(
      expect.objectContaining({ code: 'TargetUnavailable' }) as Error,
    );
  }
});

test('flipped bits make a wrong answer or our error, and nothing else', () => {
  const bytes = Buffer.from(ANSWER);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), (index, bit) => {
      const flipped = Buffer.from(bytes);
      flipped[index] = flipped.readUInt8(index) ^ (1 << bit);
      try {
        decodeResponse('RetrievePropertiesEx', flipped.toString('utf8'), 'reading');
      } catch (error) {
        expect(error).toBeInstanceOf(VsphereError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['nothing', ''],
  ['a text', 'Service Unavailable'],
  ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
  ['elements without end', '<a>'.repeat(100_000)],
])('%s is refused', (_what, text) => {
  expect(() => parseXml(text)).toThrow(expect.objectContaining({ code: 'TargetUnavailable' }) as Error);
});
