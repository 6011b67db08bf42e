// XML of an answer to a small tree. Namespace prefixes are the server's choice and vary (`soapenv:`, `soap:`,
// `xsi:`, `XMLSchema-instance:`), so names are compared without them, with one exception that matters: a
// managed object's reference has a plain attribute `type`, and any value may have `xsi:type`. Both may stand
// on one element, so they are kept apart.
import { XMLParser } from 'fast-xml-parser';
import { VsphereError } from '../errors.ts';

export interface XmlElement {
  readonly name: string;
  /** Value of `xsi:type` without its prefix. */
  readonly xsiType: string | undefined;
  /** Value of the plain attribute `type`. */
  readonly type: string | undefined;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const ATTRIBUTES = ':@';
const TEXT = '#text';
const CDATA = '#cdata';

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // Decoded here: references to characters, which hosts use for line ends, are beyond the parser's own switch.
  processEntities: false,
  cdataPropName: CDATA,
});

/** The tag that a text ends with, without its prefix. */
const END_TAG = /<\/(?:[^<>/:]+:)?([^<>/:\s]+)\s*>\s*$/;

/** Throws `TargetUnavailable` for what is not XML or brings a document type of its own. */
export function parseXml(text: string): XmlElement {
  if (text.includes('<!DOCTYPE')) throw notXml('it has a document type');
  let nodes: unknown;
  try {
    nodes = parser.parse(text);
  } catch (cause) {
    throw notXml('it does not parse', cause);
  }
  const root = elementsOf(nodes)[0];
  if (root === undefined) throw notXml('it has no element');
  // The parser closes what is left open, so half an answer would pass for a whole one.
  if (END_TAG.exec(text)?.[1] !== root.name) throw notXml('it is cut off');
  return root;
}

export function child(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((each) => each.name === name);
}

export function childText(element: XmlElement, name: string): string | undefined {
  return child(element, name)?.text;
}

function elementsOf(nodes: unknown): XmlElement[] {
  if (!Array.isArray(nodes)) return [];
  const elements: XmlElement[] = [];
  for (const node of nodes as readonly Record<string, unknown>[]) {
    const name = Object.keys(node).find((key) => key !== ATTRIBUTES);
    if (name !== undefined && name !== TEXT && name !== CDATA) elements.push(elementOf(name, node));
  }
  return elements;
}

function elementOf(name: string, node: Readonly<Record<string, unknown>>): XmlElement {
  const content = node[name];
  const attributes = Object.entries((node[ATTRIBUTES] ?? {}) as Readonly<Record<string, string>>);
  const xsiType = attributes.find(([key]) => /^[^:]+:type$/.test(key))?.[1];
  const type = attributes.find(([key]) => key === 'type')?.[1];
  return {
    name: localName(name),
    xsiType: xsiType === undefined ? undefined : localName(xsiType),
    type: type === undefined ? undefined : decodeReferences(type),
    text: textOf(content),
    children: elementsOf(content),
  };
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return '';
  return (content as readonly Record<string, unknown>[]).map(textOfNode).join('');
}

function textOfNode(node: Readonly<Record<string, unknown>>): string {
  const text = node[TEXT];
  if (typeof text === 'string') return decodeReferences(text);
  const literal = node[CDATA];
  if (!Array.isArray(literal)) return '';
  return (literal as readonly { readonly [TEXT]?: string }[]).map((each) => each[TEXT] ?? '').join('');
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const LAST_CODE_POINT = 0x10ffff;

/** `&amp;`, `&#13;`, `&#xD;` and their like, each once. */
function decodeReferences(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(
    /&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return NAMED[name] ?? whole;
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      return code <= LAST_CODE_POINT ? String.fromCodePoint(code) : whole;
    },
  );
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

function notXml(why: string, cause?: unknown): VsphereError {
  return new VsphereError(
    'TargetUnavailable',
    `The target's answer is not the XML of a SOAP service: ${why}.`,
    {
      cause,
    },
  );
}
