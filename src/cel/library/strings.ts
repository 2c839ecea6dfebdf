/** cel-go's string extensions (ext/strings.go). Indexes count code points. Costs are Kubernetes'. */
import type { CallCost, FunctionDeclaration, Library } from "../declaration.ts";
import { costSize } from "../runtime/cost.ts";
import type { Int } from "../runtime/int64.ts";
import { INT, listType, STRING } from "../type.ts";
import type { CelError, CelValue } from "../value.ts";
import { codePointCount, codePointIndex, hasSurrogates, unitIndex } from "./code-points.ts";
import { deepTraversalCost, plus, range, scaled, TRAVERSAL_FACTOR, times, traversal, UNBOUNDED } from "./cost.ts";
import { declare, dyn, fail, func, int, list, method, string } from "./define.ts";
import { type FormatDialect, kubernetesDialect, standardDialect } from "./format-dialect.ts";
import { MAX_TEXT_LENGTH, textTooLong } from "./size-limit.ts";
import { formatTemplate } from "./strings-format.ts";

const outOfRange = (index: Int): CelError => fail(`index out of range: ${index}`, "CEL_INDEX_OUT_OF_BOUNDS");

function charAt(text: string, index: Int): CelValue {
  const at = Number(index);
  if (at < 0) return outOfRange(index);
  const unit = hasSurrogates(text) ? unitIndex(text, at) : at;
  if (unit < text.length) return String.fromCodePoint(text.codePointAt(unit) ?? 0);
  return at === codePointCount(text) ? "" : outOfRange(index);
}

/** The shared frame of indexOf and lastIndexOf from an offset: `search` works on unit indexes. */
function searchFrom(text: string, part: string, offset: Int, search: (unitOffset: number) => number): CelValue {
  const from = Number(offset);
  if (from < 0) return outOfRange(offset);
  const length = codePointCount(text);
  if (part === "") return Math.min(from, length);
  if (from >= length) return -1;
  if (length === text.length) return search(from);
  return toCodePoints(text, search(unitIndex(text, from)));
}

const toCodePoints = (text: string, unit: number): number => (unit <= 0 || !hasSurrogates(text) ? unit : codePointIndex(text, unit));

const indexOf = (text: string, part: string): CelValue => toCodePoints(text, text.indexOf(part));
const indexOfFrom = (text: string, part: string, offset: Int): CelValue =>
  searchFrom(text, part, offset, (from) => text.indexOf(part, from));
const lastIndexOf = (text: string, part: string): CelValue => toCodePoints(text, text.lastIndexOf(part));
const lastIndexOfFrom = (text: string, part: string, offset: Int): CelValue =>
  searchFrom(text, part, offset, (from) => text.lastIndexOf(part, from));

/** Most texts have nothing to change: a test is cheaper than a replacement. */
const lowerAscii = (text: string): string => (/[A-Z]/.test(text) ? text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text);
const upperAscii = (text: string): string => (/[a-z]/.test(text) ? text.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase()) : text);

/** Replaces the first `limit` occurrences, all of them when it is negative. An empty `old` matches around every code point. */
function replace(text: string, old: string, replacement: string, limit: Int): CelValue {
  const count = limit < 0 ? Number.POSITIVE_INFINITY : Number(limit);
  const pieces = old === "" ? [...text] : text.split(old);
  const grown = text.length + Math.min(count, pieces.length + 1) * replacement.length;
  if (grown > MAX_TEXT_LENGTH) return textTooLong();
  if (old === "") {
    const end = count > pieces.length ? replacement : "";
    return pieces.map((character, index) => (index < count ? replacement + character : character)).join("") + end;
  }
  return [pieces.slice(0, count + 1).join(replacement), ...pieces.slice(count + 1)].join(old);
}

/** Splits into at most `limit` pieces, the last of which is the rest; into all when it is negative. */
function splitCount(text: string, separator: string, limit: Int): readonly string[] {
  if (limit === 0) return [];
  const pieces = separator === "" ? [...text] : text.split(separator);
  const count = limit < 0 ? pieces.length : Number(limit);
  return pieces.length <= count ? pieces : [...pieces.slice(0, count - 1), pieces.slice(count - 1).join(separator)];
}

function substring(text: string, start: Int): CelValue {
  const from = Number(start);
  if (from < 0 || from > codePointCount(text)) return outOfRange(start);
  return text.slice(hasSurrogates(text) ? unitIndex(text, from) : from);
}

function substringRange(text: string, start: Int, end: Int): CelValue {
  if (start > end) return fail(`invalid substring range. start: ${start}, end: ${end}`, "CEL_INDEX_OUT_OF_BOUNDS");
  const [from, to, length] = [Number(start), Number(end), codePointCount(text)];
  if (from < 0 || from > length) return outOfRange(start);
  if (to > length) return outOfRange(end);
  return length === text.length ? text.slice(from, to) : text.slice(unitIndex(text, from), unitIndex(text, to));
}

/** Unicode's White_Space: unlike String.prototype.trim with U+0085 and without U+FEFF. */
const isSpace = (unit: number): boolean =>
  (unit >= 0x09 && unit <= 0x0d) ||
  unit === 0x20 ||
  (unit > 0x7f &&
    (unit === 0x85 ||
      unit === 0xa0 ||
      unit === 0x1680 ||
      (unit >= 0x2000 && unit <= 0x200a) ||
      unit === 0x2028 ||
      unit === 0x2029 ||
      unit === 0x202f ||
      unit === 0x205f ||
      unit === 0x3000));

function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const reverse = (text: string): string => [...text].reverse().join("");

function join(texts: readonly CelValue[], separator: string): CelValue {
  let length = separator.length * texts.length;
  for (const text of texts) {
    if (typeof text !== "string") return fail("join: expected a list of strings");
    length += text.length;
  }
  return length > MAX_TEXT_LENGTH ? textTooLong() : texts.join(separator);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

const quote = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  `"${text.toWellFormed().replaceAll(/[\x07\b\f\n\r\t\v\\"]/g, (character) => ESCAPES[character] ?? character)}"`;

/** Kubernetes charges a search as one reading of the string. */
const searchCost: CallCost = {
  actual: ([text = ""]) => deepTraversalCost(text),
  estimate: ([size = UNBOUNDED]) => ({ cost: scaled(size, TRAVERSAL_FACTOR) }),
};
const transformCost: CallCost = traversal(TRAVERSAL_FACTOR, true);
const rebuildCost: CallCost = traversal(2 * TRAVERSAL_FACTOR);
const replaceCost: CallCost = {
  ...rebuildCost,
  estimate: ([text = UNBOUNDED, old = UNBOUNDED, replacement = UNBOUNDED]) => ({
    cost: scaled(text, 2 * TRAVERSAL_FACTOR),
    resultSize: range(
      sizeOfReplaced(text.min, old.max, replacement.min, old.max <= replacement.min),
      sizeOfReplaced(text.max, old.min, replacement.max, replacement.max <= old.min),
    ),
  }),
};
/** In the worst case every character becomes a piece. */
const splitCost: CallCost = {
  ...rebuildCost,
  estimate: ([text = UNBOUNDED]) => ({ cost: scaled(text, 2 * TRAVERSAL_FACTOR), resultSize: range(0, text.max) }),
};
const joinCost: CallCost = {
  actual: (_, result) => Math.ceil(costSize(result) * 2 * TRAVERSAL_FACTOR),
  estimate: ([count = UNBOUNDED, separator = range(0)], [text = UNBOUNDED]) => {
    const separators = range(Math.max(0, count.min - 1), Math.max(0, count.max - 1));
    const size = plus(times(count, text), times(separator, separators));
    return { cost: scaled(size, TRAVERSAL_FACTOR), resultSize: size };
  },
};

/** An end of the range of sizes that a text has after replacing: of the whole text, of what is replaced, and of what replaces it. */
function sizeOfReplaced(text: number, old: number, replacement: number, isKept: boolean): number {
  // An empty text is found around every character.
  if (old === 0) return text + (replacement === 0 ? 0 : (text + 1) * replacement);
  if (isKept) return text;
  return replacement === 0 ? 0 : Math.ceil(text / old) * replacement;
}

const functions: readonly FunctionDeclaration[] = [
  declare(
    "charAt",
    "The character at an index, or the empty string at the end.",
    method("string_char_at_int", [string, int], STRING, charAt),
  ),
  declare(
    "indexOf",
    "The index of the first occurrence of a string, from an offset on, or -1.",
    method("string_index_of_string", [string, string], INT, indexOf, searchCost),
    method("string_index_of_string_int", [string, string, int], INT, indexOfFrom, searchCost),
  ),
  declare(
    "lastIndexOf",
    "The index of the last occurrence of a string that starts at or before an offset, or -1.",
    method("string_last_index_of_string", [string, string], INT, lastIndexOf, searchCost),
    method("string_last_index_of_string_int", [string, string, int], INT, lastIndexOfFrom, searchCost),
  ),
  declare(
    "lowerAscii",
    "The string with its ASCII letters in lower case.",
    method("string_lower_ascii", [string], STRING, lowerAscii, transformCost),
  ),
  declare(
    "upperAscii",
    "The string with its ASCII letters in upper case.",
    method("string_upper_ascii", [string], STRING, upperAscii, transformCost),
  ),
  declare(
    "replace",
    "The string with the occurrences of one string replaced by another, all of them or the first n.",
    method(
      "string_replace_string_string",
      [string, string, string],
      STRING,
      (text, old, replacement) => replace(text, old, replacement, -1),
      replaceCost,
    ),
    method("string_replace_string_string_int", [string, string, string, int], STRING, replace, replaceCost),
  ),
  declare(
    "split",
    "The pieces of the string between separators, at most n of them.",
    method("string_split_string", [string, string], listType(STRING), (text, separator) => splitCount(text, separator, -1), splitCost),
    method("string_split_string_int", [string, string, int], listType(STRING), splitCount, splitCost),
  ),
  declare(
    "substring",
    "The part of the string from one index up to, without, another.",
    method("string_substring_int", [string, int], STRING, substring, transformCost),
    method("string_substring_int_int", [string, int, int], STRING, substringRange, transformCost),
  ),
  declare("trim", "The string without white space at its ends.", method("string_trim", [string], STRING, trim, transformCost)),
  declare(
    "strings.quote",
    "The string in double quotes with its special characters escaped.",
    func("strings_quote", [string], STRING, quote, traversal()),
  ),
  declare(
    "join",
    "The strings of a list, one after another, with a separator between them.",
    method("list_join", [list(string)], STRING, (texts) => join(texts, ""), joinCost),
    method("list_join_string", [list(string), string], STRING, join, joinCost),
  ),
];

const format = (dialect: FormatDialect): FunctionDeclaration =>
  declare(
    "format",
    "The string with each clause (%s %d %f %e %b %x %X %o) replaced by the next value of a list.",
    method("string_format", [string, list(dyn)], STRING, (template, values) => formatTemplate(template, values, dialect), traversal()),
  );

const reversal: FunctionDeclaration = declare(
  "reverse",
  "The characters of the string in reverse order.",
  method("string_reverse", [string], STRING, reverse),
);

/** Version 5. */
export const stringsLibrary: Library = { name: "strings", functions: [...functions, reversal, format(standardDialect)] };

/** The version of Kubernetes (2): without `reverse`; `format` writes nested values as literals and numbers as in American English. */
export const kubernetesStringsLibrary: Library = { name: "strings", functions: [...functions, format(kubernetesDialect)] };
