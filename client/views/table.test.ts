import { expect, it } from 'vitest';
import { facts, printable, table } from './table.ts';

interface Row {
  readonly name: string;
  readonly size: number;
}

it('aligns columns, and leaves no space at the end of a line', () => {
  const text = table<Row>(
    [
      { title: 'SIZE', align: 'right', value: ({ size }) => String(size) },
      { title: 'NAME', value: ({ name }) => name },
    ],
    [
      { name: 'web01', size: 5 },
      { name: 'größe', size: 12345 },
    ],
  );
  expect(text).toBe(' SIZE  NAME\n    5  web01\n12345  größe');
});

it('shows facts that are known, values in one column', () => {
  expect(
    facts([
      ['a', '1'],
      ['longer', undefined],
      ['b c', '2'],
    ]),
  ).toBe('a    1\nb c  2');
});

it('lets no control character through to the terminal', () => {
  expect(printable('web\u001b[2J\r\nroot\u202e')).toBe('web?[2J??root?');
});
