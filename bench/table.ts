/** Figures as text: units, columns, and colours where a person looks. */

/** Colours only on a terminal, and not where NO_COLOR is set to anything. */
export function paint(style: 'bold' | 'dim' | 'red', text: string): string {
  if (!process.stdout.isTTY || process.env['NO_COLOR']) return text;
  const code = { bold: 1, dim: 2, red: 31 }[style];
  return `\u001b[${code}m${text}\u001b[0m`;
}

/** Nanoseconds, bytes or milliseconds with three digits at most. */
export function formatFigure(measures: string, figure: number): string {
  if (measures === 'bytes') return `${figure.toFixed(0)} B`;
  if (measures === 'start' || measures === 'import') return `${digits(figure)} ms`;
  if (figure < 999.5) return `${digits(figure)} ns`;
  if (figure < 999_500) return `${digits(figure / 1000)} µs`;
  return `${digits(figure / 1e6)} ms`;
}

export function formatRatio(ratio: number): string {
  return ratio < 9.95 ? ratio.toFixed(ratio < 0.095 ? 3 : 2) : ratio.toFixed(ratio < 99.5 ? 1 : 0);
}

function digits(figure: number): string {
  return figure.toFixed(figure < 9.995 ? 2 : figure < 99.95 ? 1 : 0);
}

/** Lines of a table: the first column to the left, the rest to the right. An absent figure is a dash. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): string[] {
  const lines = [header, ...rows.map((row) => row.map((cell) => cell ?? '-'))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line, index) => {
    const cells = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
    );
    return index === 0 ? paint('bold', cells.join('  ')) : cells.join('  ');
  });
}
