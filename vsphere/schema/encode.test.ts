import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRequest, type Method } from '../soap/envelope.ts';
import { parseXml, type XmlElement } from '../soap/parse.ts';
import { samples } from '../testing/samples.ts';
import { bodyOf, validate } from '../testing/xmllint.ts';
import { type Arguments, methods, NEWEST_VERSION, OLDEST_VERSION } from './vim25.ts';

const vm = { type: 'VirtualMachine', value: 'vm-42' };
const allMethods = Object.keys(methods) as Method[];

/** What a careless caller may try; the types would not let it through. */
const encodeLoosely = (method: Method, parameters: unknown): string =>
  encodeRequest(method, vm, parameters as Arguments[Method], NEWEST_VERSION);

/** The same value with the keys of every object in another order. */
function shuffled(value: unknown, order: (length: number) => readonly number[]): unknown {
  if (Array.isArray(value)) return value.map((each) => shuffled(each, order));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, shuffled(each, order)] as const);
  return Object.fromEntries(order(entries.length).map((index) => entries[index]!));
}

const reversed = (length: number): readonly number[] =>
  Array.from({ length }, (_, index) => length - 1 - index);

test.each([OLDEST_VERSION, '7.0.3.0', NEWEST_VERSION])(
  'xmllint accepts every request for a server of %s',
  (version) => {
    const documents = allMethods.map((method) => bodyOf(encodeRequest(method, vm, samples[method], version)));
    const verdicts = validate(documents);
    expect(allMethods.filter((_, index) => verdicts[index] !== true)).toEqual([]);
  },
);

test('keys may come in any order: what is written is the same', () => {
  const permutation = fc.infiniteStream(fc.nat()).map((numbers) => (length: number) => {
    const left = Array.from({ length }, (_, index) => index);
    return Array.from({ length }, () => left.splice((numbers.next().value as number) % left.length, 1)[0]!);
  });
  fc.assert(
    fc.property(fc.constantFrom(...allMethods), permutation, (method, order) => {
      const inOrder = encodeRequest(method, vm, samples[method], NEWEST_VERSION);
      expect(encodeLoosely(method, shuffled(samples[method], order))).toBe(inOrder);
    }),
  );
});

test('xmllint rejects any two neighbours that changed places', () => {
  const documents = allMethods.map((method) =>
    bodyOf(encodeRequest(method, vm, samples[method], NEWEST_VERSION)),
  );
  // Written anew without a change, each is still right: what is wrong below is the order alone.
  expect(new Set(validate(documents.map((each) => rewritten(each, parseXml(each)))))).toEqual(
    new Set([true]),
  );
  const wrong = documents.flatMap((document, index) =>
    swappedNeighbours(document).map((each) => ({ method: allMethods[index]!, document: each })),
  );
  const verdicts = validate(wrong.map((each) => each.document));
  expect(wrong.filter((_, index) => verdicts[index] === true)).toEqual([]);
  // Every method with more than the object that it is called on was tried.
  const tried = new Set(wrong.map((each) => each.method));
  expect(allMethods.filter((method) => methods[method].parameters.length > 0 && !tried.has(method))).toEqual(
    [],
  );
});

test('a subtype is named, a declared type is not', () => {
  const xml = encodeRequest('ReconfigVM_Task', vm, samples.ReconfigVM_Task, NEWEST_VERSION);
  expect(xml).toContain('<device xsi:type="VirtualVmxnet3">');
  expect(xml).toContain('<value xsi:type="xsd:string">a-1</value>');
  expect(xml).toContain('<deviceInfo><label>');
});

test('what a server is too old for is not sent', () => {
  const spec = { ...samples.CreateNasDatastore.spec, vmknicToBind: 'vmk1', connections: 4 };
  const to = (version: string): string => encodeRequest('CreateNasDatastore', vm, { spec }, version);
  expect(to('8.0.3.0')).toContain('vmknicToBind');
  expect(to('6.7')).not.toContain('vmknicToBind');
  expect(to('6.7')).toContain('<localPath>rundirect-site</localPath>');
});

test.each<[string, Method, unknown]>([
  ['an unknown argument', 'PowerOnVM_Task', { hots: vm }],
  [
    'an unknown field deep inside',
    'ReconfigVM_Task',
    { spec: { deviceChange: [{ device: { key: 1, keys: 2 } }] } },
  ],
  ['a needed field that is absent', 'CreateNasDatastore', { spec: { remoteHost: 'a', remotePath: '/b' } }],
  ['a text for a number', 'WaitForUpdatesEx', { version: '', options: { maxWaitSeconds: '30' } }],
  ['a fraction for a whole number', 'WaitForUpdatesEx', { version: '', options: { maxWaitSeconds: 0.5 } }],
  ['a number for a text', 'AnswerVM', { questionId: 1, answerChoice: '2' }],
  ['a text for a reference', 'RemoveDatastore', { datastore: 'datastore-1' }],
  ['a thing that stands alone for a list', 'RetrievePropertiesEx', { specSet: {}, options: {} }],
  [
    'a type that is not a subtype',
    'ReconfigVM_Task',
    { spec: { deviceChange: [{ device: { $type: 'OptionValue' } }] } },
  ],
  [
    'a type that nobody knows',
    'ReconfigVM_Task',
    { spec: { deviceChange: [{ device: { $type: 'VirtualToaster' } }] } },
  ],
  ['a control character', 'AnswerVM', { questionId: '\u0000', answerChoice: '2' }],
])('%s is refused before anything is sent', (_what, method, parameters) => {
  expect(() => encodeLoosely(method, parameters)).toThrow(
    expect.objectContaining({ code: 'InvalidInput' }) as Error,
  );
});

test('any text that XML can carry comes back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      let xml: string;
      try {
        xml = encodeRequest('AnswerVM', vm, { questionId: text, answerChoice: '0' }, NEWEST_VERSION);
      } catch (error) {
        expect(error).toMatchObject({ code: 'InvalidInput' });
        return;
      }
      const request = parseXml(xml).children[0]?.children[0];
      expect(request?.children.find((each) => each.name === 'questionId')?.text).toBe(text);
    }),
  );
});

test('the shuffle of these tests is one', () => {
  expect(JSON.stringify(shuffled({ a: 1, b: { c: 2, d: 3 } }, reversed))).toBe('{"b":{"d":3,"c":2},"a":1}');
});

/** Every document in which two neighbouring elements of different names have changed places. */
function swappedNeighbours(document: string): string[] {
  const results: string[] = [];
  const root = parseXml(document);
  const visit = (element: XmlElement, render: (children: readonly XmlElement[]) => string): void => {
    element.children.forEach((each, index) => {
      const next = element.children[index + 1];
      if (next !== undefined && next.name !== each.name) {
        results.push(render(element.children.with(index, next).with(index + 1, each)));
      }
      visit(each, (children) => render(element.children.with(index, { ...each, children })));
    });
  };
  visit(root, (children) => rewritten(document, { ...root, children }));
  return results;
}

/** With the head of the document, which declares its namespaces. */
function rewritten(document: string, root: XmlElement): string {
  const head = /^<[^>]+>/.exec(document)?.[0] ?? '';
  return `${head}${root.children.map(write).join('')}</${root.name}>`;
}

function write(element: XmlElement): string {
  const primitive = element.xsiType === 'string' ? 'xsd:string' : element.xsiType;
  const type = element.type === undefined ? '' : ` type="${element.type}"`;
  const xsiType = primitive === undefined ? '' : ` xsi:type="${primitive}"`;
  const text = element.text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<${element.name}${type}${xsiType}>${text}${element.children.map(write).join('')}</${element.name}>`;
}
