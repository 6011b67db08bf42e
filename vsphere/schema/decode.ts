// XML of an answer to values, led by the table. A server may be newer than the table, so fields that are not
// in it are passed over, and a subtype that is not in it is read as the type that was declared, with its real
// name in `$type`. What the table says is always there, and is not, makes the answer unusable; a server that is
// older than a field may leave it out.
import { VsphereError } from '../errors.ts';
import type { XmlElement } from '../soap/parse.ts';
import { isKindOf } from './encode.ts';
import { dataTypes, type Field, type ManagedObjectReference } from './vim25.ts';

/** One value of the declared type. */
export function decodeValue(type: string, element: XmlElement): unknown {
  switch (type) {
    case 'ManagedObjectReference':
      return decodeReference(element);
    case 'anyType':
      return decodeAny(element);
    case 'boolean':
      return element.text === 'true' || element.text === '1';
    case 'byte':
    case 'short':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return decodeNumber(element);
    default:
      return dataTypes[type] === undefined ? element.text : decodeData(type, element);
  }
}

/** A property's value, of the type that its path has: lists come as `ArrayOfX` with one element per item. */
export function decodeProperty(field: Pick<Field, 'type' | 'list'>, element: XmlElement): unknown {
  if (field.list !== true) return decodeValue(field.type, element);
  return element.children.map((each) => decodeValue(field.type, each));
}

/** What they hold is told by a property's path, not by a type of their own: it is kept for `decodeProperty`. */
const propertyHolders: ReadonlySet<string> = new Set(['DynamicProperty', 'PropertyChange']);

function decodeData(declared: string, element: XmlElement): unknown {
  const actual = element.xsiType ?? declared;
  const known = isKindOf(actual, declared) ? actual : declared;
  const result: Record<string, unknown> = { $type: actual };
  for (const field of dataTypes[known]?.fields ?? []) {
    const found = element.children.filter((each) => each.name === field.name);
    if (field.list === true) {
      if (found.length > 0 || field.optional !== true) {
        result[field.name] = found.map((each) => decodeValue(field.type, each));
      }
    } else if (found[0] !== undefined) {
      const keep = field.type === 'anyType' && propertyHolders.has(known);
      result[field.name] = keep ? found[0] : decodeValue(field.type, found[0]);
    } else if (field.optional !== true && field.since === undefined) {
      throw unusable(`a ${actual} without ${field.name}`);
    }
  }
  return result;
}

function decodeAny(element: XmlElement): unknown {
  const type = element.xsiType;
  if (type === undefined) return element.type === undefined ? element.text : decodeReference(element);
  if (type.startsWith('ArrayOf')) {
    return element.children.map((each) => decodeValue(type.slice('ArrayOf'.length), each));
  }
  return decodeValue(type, element);
}

function decodeReference(element: XmlElement): ManagedObjectReference {
  if (element.type === undefined) throw unusable(`a reference without type in ${element.name}`);
  return { type: element.type, value: element.text };
}

function decodeNumber(element: XmlElement): number {
  const number = Number(element.text);
  if (element.text.trim() === '' || Number.isNaN(number)) {
    throw unusable(`${element.name} that is not a number`);
  }
  return number;
}

function unusable(what: string): VsphereError {
  return new VsphereError(
    'Unexpected',
    `The target answered with ${what}, which the vim25 schema does not allow.`,
  );
}
