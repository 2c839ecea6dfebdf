/** Tables for terminals: aligned columns, no wrapped rows. */
import { stripVTControlCharacters } from "node:util";

const GAP = "  ";

/** Code points of a text without its colours: what it takes on the screen, for texts in Latin letters. */
const widthOf = (text: string): number => {
  const plain = stripVTControlCharacters(text);
  return /^[\u0020-\u007e]*$/.test(plain) ? plain.length : [...plain].length;
};

/** A column that gives way where lines are too wide, down to `min`. */
export interface Flexible {
  readonly column: number;
  readonly min: number;
}

/**
 * Lines with aligned columns. Where they are wider than `width`, the cells of the flexible columns are cut, in their order (the last
 * column unless said); what is still too wide is cut at its end.
 */
export function alignColumns(rows: readonly (readonly string[])[], width: number, flexible?: readonly Flexible[]): readonly string[] {
  const widths = columnWidths(rows);
  let excess = widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length) - width;
  for (const { column, min } of flexible ?? [{ column: widths.length - 1, min: 8 }]) {
    const before = widths[column] ?? 0;
    const after = Math.min(before, Math.max(min, before - Math.max(0, excess)));
    widths[column] = after;
    excess -= before - after;
  }
  return rows.map((row) => {
    const cells = row.map((cell, column) => padTo(cutToWidth(cell, widths[column] ?? 0), widths[column] ?? 0));
    return cutToWidth(cells.join(GAP).trimEnd(), width);
  });
}

const MIN_WRAPPED = 30;

/** Lines with aligned columns, of which the last holds sentences: where it is too wide, it goes on below itself. */
export function wrapColumns(rows: readonly (readonly string[])[], width: number): readonly string[] {
  const widths = columnWidths(rows.map((row) => row.slice(0, -1)));
  const indent = widths.reduce((sum, each) => sum + each + GAP.length, 0);
  return rows.flatMap((row) => {
    const cells = row.slice(0, -1).map((cell, column) => padTo(cell, widths[column] ?? 0));
    const [first = "", ...rest] = wrapText(row.at(-1) ?? "", Math.max(MIN_WRAPPED, width - indent));
    return [[...cells, first].join(GAP).trimEnd(), ...rest.map((line) => " ".repeat(indent) + line)];
  });
}

/** A text in lines of at most `width`, broken between words where that is possible. */
function wrapText(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && widthOf(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  return Array.from({ length: count }, (_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ""))));
}

const padTo = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)));

/** The text itself when it fits, otherwise its beginning without colours and `…`. */
export function cutToWidth(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return `${[...stripVTControlCharacters(text)].slice(0, Math.max(0, width - 1)).join("")}…`;
}
