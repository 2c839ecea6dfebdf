/**
 * Regular expressions in RE2's syntax, answered in time linear in the text whatever the pattern.
 * Offsets are UTF-16 units, matching is by code points.
 */
import { err, ok, type Result } from "../../lib/result.ts";
import { BoundedBacktracker } from "./bounded-backtracker.ts";
import { CaptureMachine } from "./capture-machine.ts";
import type { CaptureSearch } from "./capture-search.ts";
import { parsePattern } from "./pattern-parser.ts";
import { compileProgram, instructionCount, MAX_INSTRUCTIONS } from "./program.ts";
import { RegexError } from "./regex-error.ts";
import { SearchAutomaton } from "./search-automaton.ts";
import { type LiteralSearch, prefixOf, type SearchForm, searchFormOf } from "./search-form.ts";

/** Instructions times captured positions: the memory of one `find` is at most 16 bytes for each. */
const MAX_CAPTURE_CELLS = 1 << 18;
const MAX_CACHED_PATTERNS = 128;

export interface Span {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface RegexMatch extends Span {
  /** The capturing groups in order, without the whole match; null where a group took no part. */
  readonly groups: readonly (Span | null)[];
}

/** A compiled pattern. It keeps what it learns while searching, within fixed bounds. */
export class Regex {
  readonly pattern: string;
  /** The name of each capturing group in order, null where it has none. */
  readonly names: readonly (string | null)[];
  /** Set when `test` asks for plain text only: a caller may use the string method itself. */
  readonly literal: LiteralSearch | null;

  /** Null once the automaton is made of it. */
  #form: SearchForm | null;
  #automaton: SearchAutomaton | null = null;
  #backtracker: BoundedBacktracker | null = null;
  #machine: CaptureMachine | null = null;

  /** Use `compileRegex`. */
  constructor(pattern: string, form: SearchForm, names: readonly (string | null)[]) {
    this.pattern = pattern;
    this.names = names;
    this.literal = form.literal;
    this.#form = form.literal === null ? form : null;
  }

  /** Whether the pattern matches anywhere in `text`. */
  test(text: string): boolean {
    return this.#matchesFrom(text, 0);
  }

  /** The leftmost match that begins at `from` or later; among those, the one that Perl would choose. */
  find(text: string, from: number = 0): RegexMatch | null {
    if (from > text.length || !this.#matchesFrom(text, from)) return null;
    const slots = this.#captureSearch(text.length - from).find(text, from);
    if (slots === null) return null;
    const groups: (Span | null)[] = [];
    for (let i = 2; i < slots.length; i += 2) groups.push(spanAt(slots, i));
    return { start: slots[0] ?? 0, end: slots[1] ?? 0, groups };
  }

  /** Up to `limit` matches from left to right that do not overlap. An empty match right behind another match does not count. */
  findAll(text: string, limit: number = Infinity): readonly RegexMatch[] {
    const matches: RegexMatch[] = [];
    let from = 0;
    let lastEnd = -1;
    while (from <= text.length && matches.length < limit) {
      const match = this.find(text, from);
      if (match === null) break;
      const isEmpty = match.start === match.end;
      if (!isEmpty || match.end !== lastEnd) matches.push(match);
      lastEnd = match.end;
      from = isEmpty ? match.end + ((text.codePointAt(match.end) ?? 0) > 0xffff ? 2 : 1) : match.end;
    }
    return matches;
  }

  /** How much work was done so far: characters read and instructions visited. For tests of growth. */
  get steps(): number {
    return (this.#automaton?.steps ?? 0) + (this.#backtracker?.steps ?? 0) + (this.#machine?.steps ?? 0);
  }

  #captureSearch(length: number): BoundedBacktracker | CaptureMachine {
    this.#backtracker ??= new BoundedBacktracker(captureSearchOf(this.pattern));
    if (this.#backtracker.fits(length)) return this.#backtracker;
    this.#machine ??= new CaptureMachine(this.#backtracker.search);
    return this.#machine;
  }

  #matchesFrom(text: string, from: number): boolean {
    if (this.literal !== null) return searchLiteral(this.literal, text, from);
    if (this.#form !== null) {
      this.#automaton = new SearchAutomaton(this.#form);
      this.#form = null;
    }
    return this.#automaton?.search(text, from) ?? false;
  }
}

/** Few expressions are asked for more than a yes or no: the tree is not kept for those that are, but read again. */
function captureSearchOf(text: string): CaptureSearch {
  const parsed = parsePattern(text);
  // INVARIANT: the same text was accepted before.
  if (!parsed.ok) throw parsed.error;
  const { pattern, groupNames } = parsed.value;
  return {
    program: compileProgram(pattern, "captures"),
    groupCount: groupNames.length,
    isAnchored: searchFormOf(pattern).isAnchored,
    prefix: prefixOf(pattern),
  };
}

function spanAt(slots: Int32Array, slot: number): Span | null {
  const start = slots[slot] ?? -1;
  const end = slots[slot + 1] ?? -1;
  return start < 0 || end < 0 ? null : { start, end };
}

function searchLiteral(literal: LiteralSearch, text: string, from: number): boolean {
  switch (literal.kind) {
    case "includes":
      return text.includes(literal.text, from);
    case "startsWith":
      return from === 0 && text.startsWith(literal.text);
    case "endsWith":
      return text.length - from >= literal.text.length && text.endsWith(literal.text);
    case "equals":
      return from === 0 && text === literal.text;
    default:
      return literal.kind satisfies never;
  }
}

/** The compiled pattern, or why it is refused: REGEX_SYNTAX, REGEX_UNSUPPORTED or REGEX_TOO_LARGE, with the offset into the pattern. */
export function compileRegex(pattern: string): Result<Regex, RegexError> {
  const parsed = parsePattern(pattern);
  if (!parsed.ok) return parsed;
  const { pattern: tree, groupNames } = parsed.value;
  const instructions = instructionCount(tree);
  if (instructions > MAX_INSTRUCTIONS || instructions * 2 * (groupNames.length + 1) > MAX_CAPTURE_CELLS) {
    return err(
      new RegexError(
        "REGEX_TOO_LARGE",
        `regular expression needs ${instructions} instructions, which is too much`,
        0,
        "use smaller counts or fewer groups",
      ),
    );
  }
  return ok(new Regex(pattern, searchFormOf(tree), groupNames));
}

const cache = new Map<string, Result<Regex, RegexError>>();

/** As `compileRegex`; for patterns that are not known until evaluation. Remembers the last ones that were used, refusals too. */
export function cachedRegex(pattern: string): Result<Regex, RegexError> {
  const known = cache.get(pattern);
  if (known !== undefined) {
    cache.delete(pattern);
    cache.set(pattern, known);
    return known;
  }
  const compiled = compileRegex(pattern);
  const [oldest] = cache.keys();
  if (cache.size >= MAX_CACHED_PATTERNS && oldest !== undefined) cache.delete(oldest);
  cache.set(pattern, compiled);
  return compiled;
}
