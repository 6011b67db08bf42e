// Arguments to XML, led by the table: whatever the order of an object literal's keys, elements come out in
// the order of the schema; a subtype is named by xsi:type; what the table does not know is refused here
// instead of by a host in the middle of a change; what the server's version does not know is not sent.
import { VsphereError } from '../errors.ts';
import { isAtLeast } from './version.ts';
import { dataTypes, enumTypes, type Field, type ManagedObjectReference } from './vim25.ts';

type Value = Readonly<Record<string, unknown>>;

/** The elements of `value`, which has the fields `fields`. `path` is for the error. */
export function encodeFields(fields: readonly Field[], value: Value, version: string, path: string): string {
  for (const key of Object.keys(value)) {
    if (key !== '$type' && !fields.some((field) => field.name === key)) {
      throw refused(path, `has no field ${key}`);
    }
  }
  return fields
    .map((field) => encodeField(field, value[field.name], version, `${path}.${field.name}`))
    .join('');
}

function encodeField(field: Field, value: unknown, version: string, path: string): string {
  if (value === undefined) {
    if (field.optional === true) return '';
    throw refused(path, 'is needed');
  }
  if (field.since !== undefined && !isAtLeast(version, field.since)) return '';
  if (field.list !== true) return encodeElement(field.name, field.type, value, version, path);
  if (!Array.isArray(value)) throw refused(path, 'takes a list');
  return value
    .map((each: unknown, index) => encodeElement(field.name, field.type, each, version, `${path}[${index}]`))
    .join('');
}

function encodeElement(name: string, type: string, value: unknown, version: string, path: string): string {
  if (type === 'ManagedObjectReference') return encodeReference(name, value, path);
  if (type === 'anyType') return encodeAny(name, value, version, path);
  const fields = dataTypes[type];
  if (fields === undefined) return `<${name}>${encodeText(type, value, path)}</${name}>`;
  return encodeData(name, type, value, version, path);
}

/** `<name type="VirtualMachine">vm-42</name>` */
export function encodeReference(name: string, value: unknown, path: string): string {
  const reference = value as Partial<ManagedObjectReference> | null;
  if (typeof reference?.type !== 'string' || typeof reference.value !== 'string') {
    throw refused(path, 'takes a ManagedObjectReference');
  }
  return `<${name} type="${escapeXml(reference.type)}">${escapeXml(reference.value)}</${name}>`;
}

function encodeData(name: string, type: string, value: unknown, version: string, path: string): string {
  if (typeof value !== 'object' || value === null) throw refused(path, `takes a ${type}`);
  const sent = (value as { $type?: string }).$type ?? type;
  const known = dataTypes[sent];
  if (known === undefined || !isKindOf(sent, type)) throw refused(path, `takes a ${type}, not a ${sent}`);
  const attribute = sent === type ? '' : ` xsi:type="${sent}"`;
  return `<${name}${attribute}>${encodeFields(known.fields, value as Value, version, path)}</${name}>`;
}

/** A value whose type the schema leaves open says what it is. */
function encodeAny(name: string, value: unknown, version: string, path: string): string {
  if (typeof value === 'object' && value !== null) {
    const type = (value as { $type?: string }).$type;
    const known = type === undefined ? undefined : dataTypes[type];
    if (type === undefined || known === undefined) throw refused(path, 'needs a $type that is in the table');
    return `<${name} xsi:type="${type}">${encodeFields(known.fields, value as Value, version, path)}</${name}>`;
  }
  const type = typeof value === 'boolean' ? 'boolean' : typeof value === 'number' ? 'long' : 'string';
  return `<${name} xsi:type="xsd:${type}">${encodeText(type, value, path)}</${name}>`;
}

const INTEGERS = new Set(['byte', 'short', 'int', 'long']);

function encodeText(type: string, value: unknown, path: string): string {
  if (INTEGERS.has(type)) {
    if (!Number.isSafeInteger(value)) throw refused(path, `takes a whole number (${type})`);
    return String(value);
  }
  if (type === 'boolean' || type === 'float' || type === 'double') {
    if (typeof value !== (type === 'boolean' ? 'boolean' : 'number')) throw refused(path, `takes a ${type}`);
    return String(value);
  }
  if (typeof value !== 'string') throw refused(path, `takes a ${enumTypes.has(type) ? type : 'string'}`);
  return escapeXml(value);
}

export function isKindOf(type: string, base: string): boolean {
  for (let each: string | undefined = type; each !== undefined; each = dataTypes[each]?.base) {
    if (each === base) return true;
  }
  return false;
}

// What XML 1.0 can't carry at all, not even as a reference.
const FORBIDDEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/;

function escapeXml(text: string): string {
  if (FORBIDDEN.test(text) || !text.isWellFormed()) {
    throw new VsphereError('InvalidInput', 'A text holds control characters, which XML cannot carry.');
  }
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\r', '&#13;');
}

function refused(path: string, why: string): VsphereError {
  return new VsphereError('InvalidInput', `${path} ${why}. Nothing was sent.`);
}
