/** Tables for terminals: aligned columns, no wrapped rows. */
import { stripVTControlCharacters } from "node:util";

const GAP = "  ";
const MIN_WIDTH = 8;

/** Code points of a text without its colours: what it takes on the screen, for texts in Latin letters. */
const widthOf = (text: string): number => {
  const plain = stripVTControlCharacters(text);
  return /^[\u0020-\u007e]*$/.test(plain) ? plain.length : [...plain].length;
};

/**
 * Lines with aligned columns. Where they are wider than `width`, the cells of the column `flexible` (the last one unless said) give
 * way, down to a few characters; what is still too wide is cut at its end.
 */
export function alignColumns(rows: readonly (readonly string[])[], width: number, flexible?: number): readonly string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ""))));
  const yielding = flexible ?? count - 1;
  const excess = widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length) - width;
  if (excess > 0) widths[yielding] = Math.max(MIN_WIDTH, (widths[yielding] ?? 0) - excess);
  return rows.map((row) => {
    const cells = row.map((cell, column) => padTo(cutToWidth(cell, widths[column] ?? 0), widths[column] ?? 0));
    return cutToWidth(cells.join(GAP).trimEnd(), width);
  });
}

const padTo = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)));

/** The text itself when it fits, otherwise its beginning without colours and `…`. */
export function cutToWidth(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return `${[...stripVTControlCharacters(text)].slice(0, Math.max(0, width - 1)).join("")}…`;
}
