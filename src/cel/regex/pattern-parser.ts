/**
 * Reads RE2 syntax (as Go's package regexp has it: Perl classes are ASCII, `$` is the end of the text, no back-references,
 * no look-around), https://github.com/google/re2/wiki/Syntax.
 */
import { err, ok, type Result } from "../../lib/result.ts";
import { foldSet } from "./case-folding.ts";
import { ANY_CHAR, type CharSet, NOT_NEWLINE, singleton } from "./char-set.ts";
import { parseBracketClass, parseCharEscape, parseClassEscape } from "./class-parser.ts";
import { ASSERTION, type Assertion, choice, type Pattern, sequence } from "./pattern.ts";
import { PatternCursor } from "./pattern-cursor.ts";
import { RegexError } from "./regex-error.ts";

/** In UTF-16 units. */
export const MAX_PATTERN_LENGTH = 16_384;
const MAX_DEPTH = 250;
/** Also the limit of the product of nested counts. */
const MAX_REPEAT = 1000;

export interface ParsedPattern {
  readonly pattern: Pattern;
  /** The name of each capturing group in order, null where it has none. */
  readonly groupNames: readonly (string | null)[];
}

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly ungreedy: boolean;
}

interface Parser {
  readonly cursor: PatternCursor;
  readonly groupNames: (string | null)[];
  flags: Flags;
  depth: number;
}

export function parsePattern(text: string): Result<ParsedPattern, RegexError> {
  if (text.length > MAX_PATTERN_LENGTH) {
    const message = `expected a regular expression of at most ${MAX_PATTERN_LENGTH} characters, got ${text.length}`;
    return err(new RegexError("REGEX_TOO_LARGE", message, MAX_PATTERN_LENGTH));
  }
  const flags = { ignoreCase: false, multiLine: false, dotAll: false, ungreedy: false };
  const parser: Parser = { cursor: new PatternCursor(text), groupNames: [], flags, depth: 0 };
  try {
    const pattern = parseChoice(parser);
    if (!parser.cursor.atEnd())
      throw parser.cursor.fault("unexpected `)`", parser.cursor.position, { hint: "write `\\)` for a parenthesis" });
    return ok({ pattern, groupNames: parser.groupNames });
  } catch (thrown) {
    if (thrown instanceof RegexError) return err(thrown);
    throw thrown;
  }
}

function parseChoice(parser: Parser): Pattern {
  const branches = [parseSequence(parser)];
  while (parser.cursor.skip("|")) branches.push(parseSequence(parser));
  return choice(branches);
}

function parseSequence(parser: Parser): Pattern {
  const { cursor } = parser;
  const parts: Pattern[] = [];
  let repeatStart = -1; // where the repetition that ends here began
  while (!cursor.atEnd() && !cursor.startsWith("|") && !cursor.startsWith(")")) {
    const from = cursor.position;
    const count = parseCount(cursor);
    if (count === null) {
      parts.push(...parseAtom(parser));
      repeatStart = -1;
      continue;
    }
    if (repeatStart >= 0) {
      throw cursor.fault(`repetition \`${cursor.since(from)}\` follows another repetition`, from, {
        hint: "wrap the first one in `(?:…)`",
      });
    }
    const body = parts.pop();
    if (body === undefined) {
      throw cursor.fault(`repetition \`${cursor.since(from)}\` has nothing to repeat`, from, {
        hint: "write `\\*`, `\\+` or `\\?` for the character itself",
      });
    }
    const greedy = cursor.skip("?") === parser.flags.ungreedy;
    const repeat: Pattern = { kind: "repeat", body, ...count, greedy };
    if (nestedCount(repeat) > MAX_REPEAT) {
      throw cursor.fault(`nested repetition \`${cursor.since(from)}\` repeats more than ${MAX_REPEAT} times in all`, from, {
        code: "REGEX_TOO_LARGE",
      });
    }
    parts.push(repeat);
    repeatStart = from;
  }
  return sequence(parts);
}

/** `* + ? {2} {2,} {2,5}`, or null where none stands (a brace that is no count is a character). */
function parseCount(cursor: PatternCursor): { min: number; max: number } | null {
  if (cursor.skip("*")) return { min: 0, max: Infinity };
  if (cursor.skip("+")) return { min: 1, max: Infinity };
  if (cursor.skip("?")) return { min: 0, max: 1 };
  const from = cursor.position;
  const match = cursor.match(/\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}/y);
  if (match === null) return null;
  const min = Number(match[1]);
  const max = match[2] === undefined ? min : match[3] === undefined ? Infinity : Number(match[3]);
  if (min > max) throw cursor.fault(`repetition \`${match[0]}\` has its minimum above its maximum`, from);
  if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Infinity)) {
    throw cursor.fault(`repetition \`${match[0]}\` exceeds ${MAX_REPEAT}`, from, { code: "REGEX_TOO_LARGE" });
  }
  return { min, max };
}

/** The largest product of counts along a path of nested repetitions. */
function nestedCount(pattern: Pattern): number {
  switch (pattern.kind) {
    case "repeat": {
      if (pattern.max === 0) return 1;
      const count = pattern.max === Infinity ? pattern.min : pattern.max;
      return Math.max(1, count) * nestedCount(pattern.body);
    }
    case "group":
      return nestedCount(pattern.body);
    case "sequence":
      return pattern.parts.reduce((most, part) => Math.max(most, nestedCount(part)), 1);
    case "choice":
      return pattern.branches.reduce((most, branch) => Math.max(most, nestedCount(branch)), 1);
    default:
      return 1;
  }
}

/** One item that a repetition may follow; none after flags such as `(?i)`, several after `\Q…\E`. */
function parseAtom(parser: Parser): readonly Pattern[] {
  const { cursor, flags } = parser;
  switch (cursor.peek()) {
    case "(":
      return parseParenthesis(parser);
    case "[":
      return [setPattern(parseBracketClass(cursor, flags.ignoreCase))];
    case "\\":
      return parseEscape(parser);
    case ".":
      cursor.take();
      return [setPattern(flags.dotAll ? ANY_CHAR : NOT_NEWLINE)];
    case "^":
      cursor.take();
      return [assertion(flags.multiLine ? ASSERTION.beginLine : ASSERTION.beginText)];
    case "$":
      cursor.take();
      return [assertion(flags.multiLine ? ASSERTION.endLine : ASSERTION.endText)];
    default:
      return [charPattern(cursor.take().codePointAt(0) ?? 0, flags)];
  }
}

const setPattern = (set: CharSet): Pattern => ({ kind: "set", set });
const assertion = (kind: Assertion): Pattern => ({ kind: "assertion", assertion: kind });
const charPattern = (codePoint: number, flags: Flags): Pattern =>
  setPattern(flags.ignoreCase ? foldSet(singleton(codePoint)) : singleton(codePoint));

const ESCAPED_ASSERTIONS: ReadonlyMap<string, Assertion> = new Map([
  ["A", ASSERTION.beginText],
  ["z", ASSERTION.endText],
  ["b", ASSERTION.wordBoundary],
  ["B", ASSERTION.notWordBoundary],
]);

function parseEscape({ cursor, flags }: Parser): readonly Pattern[] {
  const quoted = cursor.match(/\\Q(.*?)(?:\\E|$)/suy);
  if (quoted !== null) return Array.from(quoted[1] ?? "", (char) => charPattern(char.codePointAt(0) ?? 0, flags));
  const asserted = cursor.match(/\\([AzbB])/y);
  const kind = ESCAPED_ASSERTIONS.get(asserted?.[1] ?? "");
  if (kind !== undefined) return [assertion(kind)];
  const set = parseClassEscape(cursor, flags.ignoreCase);
  return [set === null ? charPattern(parseCharEscape(cursor), flags) : setPattern(set)];
}

/** `(…)`, `(?:…)`, `(?i:…)`, `(?P<name>…)`, `(?<name>…)`, and flags for the rest of the enclosing group: `(?i)`. */
function parseParenthesis(parser: Parser): readonly Pattern[] {
  const { cursor, flags: outerFlags } = parser;
  const from = cursor.position;
  refuseLookAround(cursor);
  let name: string | null = null;
  let isCapturing = true;
  const named = cursor.match(/\(\?P?<([^>]*)>/suy);
  const flagged = named === null ? cursor.match(/\(\?([imsU]*)(?:-([imsU]+))?([:)])/y) : null;
  if (named !== null) name = checkedName(parser, from, named[1] ?? "");
  else if (flagged !== null) {
    parser.flags = withFlags(withFlags(outerFlags, flagged[1] ?? "", true), flagged[2] ?? "", false);
    if (flagged[3] === ")") return [];
    isCapturing = false;
  } else if (cursor.startsWith("(?")) {
    cursor.position = Math.min(from + 3, cursor.text.length);
    throw cursor.fault(`unknown group syntax \`${cursor.since(from)}\``, from, {
      hint: "known are (?:…), (?P<name>…), (?<name>…) and the flags i, m, s, U",
    });
  } else cursor.skip("(");

  const index = isCapturing ? parser.groupNames.push(name) : 0;
  const body = parseNested(parser, from);
  parser.flags = outerFlags;
  return [isCapturing ? { kind: "group", index, body } : body];
}

function parseNested(parser: Parser, from: number): Pattern {
  const { cursor } = parser;
  if (++parser.depth > MAX_DEPTH) {
    throw cursor.fault(`groups are nested more than ${MAX_DEPTH} deep`, from, { code: "REGEX_TOO_LARGE" });
  }
  const body = parseChoice(parser);
  if (!cursor.skip(")")) throw cursor.fault("group is not closed", from, { hint: "add `)`, or write `\\(` for a parenthesis" });
  parser.depth--;
  return body;
}

function refuseLookAround(cursor: PatternCursor): void {
  const from = cursor.position;
  const match = cursor.match(/\(\?(?:<?[=!]|>)/y);
  if (match === null) return;
  const hint = "expressions run in linear time, which rules look-around out; combine two matches with && and ! instead";
  throw cursor.fault(`look-around \`${match[0]}\` is not supported`, from, { code: "REGEX_UNSUPPORTED", hint });
}

function checkedName({ cursor, groupNames }: Parser, from: number, name: string): string {
  if (!/^[0-9A-Za-z_]+$/.test(name)) {
    throw cursor.fault(`group name \`${name}\` is not valid`, from, { hint: "use letters, digits and underscores" });
  }
  if (groupNames.includes(name)) throw cursor.fault(`group name \`${name}\` is used twice`, from);
  return name;
}

function withFlags(flags: Flags, letters: string, value: boolean): Flags {
  return {
    ignoreCase: letters.includes("i") ? value : flags.ignoreCase,
    multiLine: letters.includes("m") ? value : flags.multiLine,
    dotAll: letters.includes("s") ? value : flags.dotAll,
    ungreedy: letters.includes("U") ? value : flags.ungreedy,
  };
}
