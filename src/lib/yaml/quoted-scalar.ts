/** Scalars in single and double quotes, which may span lines (YAML 1.2.2 §7.3.1, §7.3.2; the escapes of JSON included). */
import { CHAR, type Cursor } from "./cursor.ts";
import { ScalarText } from "./scalar-text.ts";

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["0", "\0"],
  ["a", "\x07"],
  ["b", "\b"],
  ["t", "\t"],
  ["\t", "\t"],
  ["n", "\n"],
  ["v", "\v"],
  ["f", "\f"],
  ["r", "\r"],
  ["e", "\x1b"],
  [" ", " "],
  ['"', '"'],
  ["/", "/"],
  ["\\", "\\"],
  ["'", "'"],
  ["N", "\x85"],
  ["_", "\xa0"],
  ["L", "\u2028"],
  ["P", "\u2029"],
]);
const ESCAPE_DIGITS: ReadonlyMap<string, number> = new Map([
  ["x", 2],
  ["u", 4],
  ["U", 8],
]);

/** Reads the quoted scalar at the cursor and leaves the cursor behind it. */
export function readQuoted(cursor: Cursor): string {
  const quote = cursor.peek();
  const start = cursor.pos + 1;
  const { text } = cursor;
  cursor.nodeStart = cursor.pos;
  cursor.segments = null;
  for (let pos = start; ; pos++) {
    const code = text.charCodeAt(pos);
    if (code === quote && !(quote === CHAR.singleQuote && text.charCodeAt(pos + 1) === quote)) {
      cursor.pos = pos + 1;
      cursor.nodeEnd = cursor.pos;
      return text.slice(start, pos);
    }
    const needsWork =
      code === quote || (code === CHAR.backslash && quote === CHAR.doubleQuote) || code === CHAR.lineFeed || code === CHAR.carriageReturn;
    if (needsWork || Number.isNaN(code)) return readWithEscapes(cursor, quote, start);
  }
}

function readWithEscapes(cursor: Cursor, quote: number, start: number): string {
  const { text } = cursor;
  const out = new ScalarText(text, cursor.spans !== null);
  // Characters from `pending` on are not in `out` yet; white space before a line break among them is dropped.
  let pending = start;
  cursor.pos = start;
  for (;;) {
    const code = cursor.peek();
    if (Number.isNaN(code)) unterminated(cursor);
    if (code === CHAR.lineFeed || code === CHAR.carriageReturn) {
      out.slice(pending, trimEnd(text, pending, cursor.pos));
      foldLines(cursor, out, 0);
      pending = cursor.pos;
    } else if (code === CHAR.backslash && quote === CHAR.doubleQuote) {
      out.slice(pending, cursor.pos);
      readEscape(cursor, out);
      pending = cursor.pos;
    } else if (code !== quote) {
      cursor.pos++;
    } else if (quote === CHAR.singleQuote && text.charCodeAt(cursor.pos + 1) === quote) {
      out.slice(pending, cursor.pos + 1);
      cursor.pos += 2;
      pending = cursor.pos;
    } else {
      out.slice(pending, cursor.pos);
      cursor.pos++;
      cursor.nodeEnd = cursor.pos;
      cursor.segments = out.segments;
      return out.text;
    }
  }
}

/** Over line breaks and the white space that begins the next line; `alreadyFolded` is 1 after an escaped line break. */
function foldLines(cursor: Cursor, out: ScalarText, alreadyFolded: 0 | 1): void {
  const offset = cursor.pos;
  let breaks = 0;
  while (cursor.isAtBreak()) {
    cursor.newLine();
    breaks++;
    if (cursor.isMarker()) unterminated(cursor);
    cursor.skipBlanks();
  }
  if (alreadyFolded === 0 || breaks > 1) out.fold(breaks, offset);
}

function readEscape(cursor: Cursor, out: ScalarText): void {
  const start = cursor.pos;
  const letter = cursor.text.charAt(start + 1);
  if (letter === "\n" || letter === "\r") {
    cursor.pos++;
    foldLines(cursor, out, 1);
    return;
  }
  const simple = ESCAPES.get(letter);
  if (simple !== undefined) {
    cursor.pos += 2;
    out.literal(simple, start);
    return;
  }
  const digits = ESCAPE_DIGITS.get(letter);
  if (digits === undefined)
    cursor.fail("YAML_SYNTAX", `unknown escape \`\\${letter}\``, start, 2, "write `\\\\` for a backslash, or use single quotes");
  cursor.pos += 2 + digits;
  let point = readCodePoint(cursor, start, digits);
  if (letter === "u" && point >= 0xd800 && point < 0xdc00 && cursor.text.startsWith("\\u", cursor.pos)) {
    cursor.pos += 6;
    const low = readCodePoint(cursor, cursor.pos - 6, 4);
    if (low >= 0xdc00 && low < 0xe000) point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
  }
  if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
    cursor.fail("YAML_SYNTAX", "expected an escape of a Unicode character", start, cursor.pos - start);
  out.literal(String.fromCodePoint(point), start);
}

function readCodePoint(cursor: Cursor, start: number, digits: number): number {
  const hex = cursor.text.slice(start + 2, start + 2 + digits);
  if (hex.length !== digits || !/^[0-9a-fA-F]+$/.test(hex))
    cursor.fail("YAML_SYNTAX", `expected ${digits} hexadecimal digits in the escape`, start, 2);
  return Number.parseInt(hex, 16);
}

export function trimEnd(text: string, start: number, end: number): number {
  let trimmed = end;
  while (trimmed > start && (text.charCodeAt(trimmed - 1) === CHAR.space || text.charCodeAt(trimmed - 1) === CHAR.tab)) trimmed--;
  return trimmed;
}

function unterminated(cursor: Cursor): never {
  const quote = cursor.text.charAt(cursor.nodeStart);
  return cursor.fail("YAML_SYNTAX", `expected a closing \`${quote}\``, cursor.nodeStart, 1);
}
