// A plain table for a terminal: a heading line, columns two spaces apart, nothing that a pipe would mind.

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
}

/**
 * Text from outside (names of VMs, messages of hosts) on its way to a terminal: control characters could move
 * the cursor or forge lines, so they become `?`.
 */
export function printable(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, '?');
}

const widthOf = (text: string): number => Array.from(text).length;

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const padding = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? padding + text : text + padding;
}

/** Lines of text without a trailing newline; the first holds the titles. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...cells.map((line) => widthOf(line[index] ?? ''))),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) => pad(text, widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...cells.map(line)].join('\n');
}

/** `name  value` pairs, one to a line, values in one column. Pairs without a value are left out. */
export function facts(pairs: readonly (readonly [name: string, value: string | undefined])[]): string {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const width = Math.max(0, ...known.map(([name]) => widthOf(name)));
  return known.map(([name, value]) => `${pad(name, width, 'left')}  ${printable(value)}`).join('\n');
}
