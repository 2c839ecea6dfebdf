/** Escapes and bracket classes: the parts of a pattern that denote a set of code points. */

import { foldSet } from "./case-folding.ts";
import { type CharSet, complementOf, unionOf, WORD_CHAR } from "./char-set.ts";
import type { PatternCursor } from "./pattern-cursor.ts";
import { propertySet } from "./unicode-property.ts";

const DIGIT: CharSet = [0x30, 0x39];
const SPACE: CharSet = [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20];

const PERL_CLASSES: ReadonlyMap<string, CharSet> = new Map([
  ["d", DIGIT],
  ["s", SPACE],
  ["w", WORD_CHAR],
]);

const POSIX_CLASSES: ReadonlyMap<string, CharSet> = new Map([
  ["alnum", [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a]],
  ["alpha", [0x41, 0x5a, 0x61, 0x7a]],
  ["ascii", [0x00, 0x7f]],
  ["blank", [0x09, 0x09, 0x20, 0x20]],
  ["cntrl", [0x00, 0x1f, 0x7f, 0x7f]],
  ["digit", DIGIT],
  ["graph", [0x21, 0x7e]],
  ["lower", [0x61, 0x7a]],
  ["print", [0x20, 0x7e]],
  ["punct", [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e]],
  ["space", [0x09, 0x0d, 0x20, 0x20]],
  ["upper", [0x41, 0x5a]],
  ["word", WORD_CHAR],
  ["xdigit", [0x30, 0x39, 0x41, 0x46, 0x61, 0x66]],
]);

const CONTROL_ESCAPES: ReadonlyMap<string, number> = new Map([
  ["a", 0x07],
  ["f", 0x0c],
  ["n", 0x0a],
  ["r", 0x0d],
  ["t", 0x09],
  ["v", 0x0b],
]);

/** Reads `[…]`; the cursor stands on the bracket. */
export function parseBracketClass(cursor: PatternCursor, ignoreCase: boolean): CharSet {
  const from = cursor.position;
  cursor.skip("[");
  const isNegated = cursor.skip("^");
  const ranges: number[] = [];
  // A closing bracket that comes first is a member.
  do ranges.push(...parseClassItem(cursor, from, ignoreCase));
  while (!cursor.skip("]"));
  const set = unionOf(ranges);
  return isNegated ? complementOf(set) : set;
}

function parseClassItem(cursor: PatternCursor, classStart: number, ignoreCase: boolean): CharSet {
  const from = cursor.position;
  const named = cursor.startsWith("[:") ? parsePosixClass(cursor, ignoreCase) : parseClassEscape(cursor, ignoreCase);
  if (named !== null) return named;
  const low = parseClassChar(cursor, classStart);
  let high = low;
  if (cursor.match(/-(?=[^\]])/suy) !== null) high = parseClassChar(cursor, classStart);
  if (high < low) throw cursor.fault(`range \`${cursor.since(from)}\` in a character class is in the wrong order`, from);
  return ignoreCase ? foldSet([low, high]) : [low, high];
}

function parseClassChar(cursor: PatternCursor, classStart: number): number {
  if (cursor.atEnd()) throw cursor.fault("character class is not closed", classStart, { hint: "add `]`, or write `\\[` for a bracket" });
  return cursor.startsWith("\\") ? parseCharEscape(cursor) : (cursor.take().codePointAt(0) ?? 0);
}

/** `[:alpha:]` and `[:^alpha:]`, or null when the brackets are not closed that way (then `[` stands for itself). */
function parsePosixClass(cursor: PatternCursor, ignoreCase: boolean): CharSet | null {
  const from = cursor.position;
  const end = cursor.text.indexOf(":]", from + 2);
  if (end < 0) return null;
  const name = cursor.text.slice(from + 2, end);
  cursor.position = end + 2;
  const set = POSIX_CLASSES.get(name.replace(/^\^/, ""));
  if (set === undefined) {
    throw cursor.fault(`unknown character class \`${cursor.since(from)}\``, from, {
      hint: `known are ${[...POSIX_CLASSES.keys()].join(", ")}`,
    });
  }
  return withSign(ignoreCase ? foldSet(set) : set, name.startsWith("^"));
}

/** `\d \D \s \S \w \W \pN \p{Greek} \P{^Greek}`, or null when the cursor stands on something else. */
export function parseClassEscape(cursor: PatternCursor, ignoreCase: boolean): CharSet | null {
  const perl = cursor.match(/\\([dDsSwW])/y);
  if (perl !== null) {
    const letter = perl[1] ?? "";
    const set = PERL_CLASSES.get(letter.toLowerCase()) ?? [];
    return withSign(ignoreCase ? foldSet(set) : set, letter !== letter.toLowerCase());
  }
  const from = cursor.position;
  const property = cursor.match(/\\([pP])(?:\{(\^?)([^}]*)\}|([^{]))/suy);
  if (property === null) {
    if (cursor.match(/\\[pP]/y) === null) return null;
    throw cursor.fault(`\`${cursor.since(from)}\` needs the name of a Unicode class`, from, {
      hint: "write for example `\\p{Greek}` or `\\pL`",
    });
  }
  const [text, sign, caret, braced, single] = property;
  const set = propertySet(braced ?? single ?? "");
  if (set === null) {
    throw cursor.fault(`unknown Unicode class \`${text}\``, from, {
      hint: "expected a general category such as `Lu` or a script such as `Greek`",
    });
  }
  return withSign(ignoreCase ? foldSet(set) : set, (sign === "P") !== (caret === "^"));
}

const withSign = (set: CharSet, isNegated: boolean): CharSet => (isNegated ? complementOf(set) : set);

/** The code point that an escape stands for; the cursor stands on the backslash. */
export function parseCharEscape(cursor: PatternCursor): number {
  const from = cursor.position;
  cursor.skip("\\");
  if (cursor.atEnd()) throw cursor.fault("pattern ends with a backslash", from, { hint: "write `\\\\` for a backslash" });
  const octal = cursor.match(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y);
  if (octal !== null) return Number.parseInt(octal[0], 8);
  const hex = cursor.match(/x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/y);
  if (hex !== null) {
    const codePoint = Number.parseInt(hex[1] ?? hex[2] ?? "", 16);
    if (codePoint > 0x10ffff)
      throw cursor.fault(`\`${cursor.since(from)}\` is beyond the last code point`, from, { hint: "the last one is `\\x{10FFFF}`" });
    return codePoint;
  }
  const next = cursor.take();
  const control = CONTROL_ESCAPES.get(next);
  if (control !== undefined) return control;
  const codePoint = next.codePointAt(0) ?? 0;
  if (codePoint < 0x80 && !/[0-9A-Za-z]/.test(next)) return codePoint;
  throw unknownEscape(cursor, from, next);
}

function unknownEscape(cursor: PatternCursor, from: number, next: string): Error {
  const shown = `\`\\${next}\``;
  if (/[1-9k]/.test(next)) {
    const hint = "expressions run in linear time, which rules back-references out; capture the text and compare it instead";
    return cursor.fault(`back-reference ${shown} is not supported`, from, { code: "REGEX_UNSUPPORTED", hint });
  }
  const hints: Record<string, string> = {
    C: "single bytes can not be matched; use `.`",
    Z: "use `\\z` for the end of the text",
    G: "use `\\A` for the beginning of the text",
    h: "use `[\\t ]`",
    x: "write two hexadecimal digits, or more between braces, as in `\\x{10FFFF}`",
    u: "write `\\x{20AC}` for a code point",
    b: "inside a class a backspace is `\\x08`",
  };
  const hint = hints[next];
  return cursor.fault(`unknown escape ${shown}`, from, hint === undefined ? {} : { hint });
}
