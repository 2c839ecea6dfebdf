/** Tables for terminals: aligned columns, no wrapped rows. */
import { stripVTControlCharacters } from "node:util";

const GAP = "  ";

/** Code points of a text without its colours: what it takes on the screen, for texts in Latin letters. */
const widthOf = (text: string): number => {
  const plain = stripVTControlCharacters(text);
  return /^[\u0020-\u007e]*$/.test(plain) ? plain.length : [...plain].length;
};

/** Lines with aligned columns; where a line is wider than `width`, its last column is cut with `…`. */
export function alignColumns(rows: readonly (readonly string[])[], width: number): readonly string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ""))));
  return rows.map((row) => {
    const cells = row.map((cell, column) => (column === row.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - widthOf(cell))));
    return cutToWidth(cells.join(GAP).trimEnd(), width);
  });
}

/** The text itself when it fits, otherwise its beginning without colours and `…`. */
export function cutToWidth(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return `${[...stripVTControlCharacters(text)].slice(0, Math.max(0, width - 1)).join("")}…`;
}
