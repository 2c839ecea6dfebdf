/**
 * What a pattern means for the question "does it match anywhere?", which is all that `matches` asks. The answer does not
 * depend on where a match begins or ends, so optional ends can be cut off, and what then remains is often plain text.
 */
import { onlyMember } from "./char-set.ts";
import { ASSERTION, canBeEmpty, EMPTY, type Pattern, sequence } from "./pattern.ts";

/** A search that a string method answers. */
export interface LiteralSearch {
  readonly kind: "includes" | "startsWith" | "endsWith" | "equals";
  readonly text: string;
}

export interface SearchForm {
  /** Matches somewhere in exactly the texts in which the original pattern does. */
  readonly pattern: Pattern;
  /** Every match begins at the beginning of the text. */
  readonly isAnchored: boolean;
  /** Set when the pattern is plain text, anchored or not. */
  readonly literal: LiteralSearch | null;
  /** Every match begins with this text; empty when not known. */
  readonly prefix: string;
}

export function searchFormOf(pattern: Pattern): SearchForm {
  const parts = cutEnd(cutEnd(flatten(pattern), "first"), "last");
  return {
    pattern: sequence(parts),
    isAnchored: isBeginning(parts[0] ?? EMPTY),
    literal: literalSearch(parts),
    prefix: leadingText(parts).text,
  };
}

/** Text that every match of the pattern itself begins with; empty when not known. */
export const prefixOf = (pattern: Pattern): string => leadingText(flatten(pattern)).text;

/** The pattern as a sequence without capturing groups. */
function flatten(pattern: Pattern): readonly Pattern[] {
  switch (pattern.kind) {
    case "empty":
      return [];
    case "group":
      return flatten(pattern.body);
    case "sequence":
      return pattern.parts.flatMap(flatten);
    default:
      return [pattern];
  }
}

/** Cuts off what may match nothing, and the further turns of a loop, at an end where any text may stand. */
function cutEnd(parts: readonly Pattern[], end: "first" | "last"): readonly Pattern[] {
  const rest = [...parts];
  for (;;) {
    const part = end === "first" ? rest.shift() : rest.pop();
    if (part === undefined) return rest;
    if (canBeEmpty(part, false)) continue;
    const kept = fewestTurns(part, end);
    return end === "first" ? [...kept, ...rest] : [...rest, ...kept];
  }
}

/** As few turns of a loop are as good as many; the end of a single turn can be cut in turn. */
function fewestTurns(part: Pattern, end: "first" | "last"): readonly Pattern[] {
  if (part.kind !== "repeat") return [part];
  return part.min === 1 ? cutEnd(flatten(part.body), end) : [{ ...part, max: part.min }];
}

/** Whether every match of the pattern begins at the beginning of the text. */
function isBeginning(pattern: Pattern): boolean {
  switch (pattern.kind) {
    case "assertion":
      return pattern.assertion === ASSERTION.beginText;
    case "sequence":
      return isBeginning(pattern.parts[0] ?? EMPTY);
    case "choice":
      return pattern.branches.every(isBeginning);
    case "repeat":
      return pattern.min > 0 && isBeginning(pattern.body);
    case "group":
      return isBeginning(pattern.body);
    default:
      return false;
  }
}

function literalSearch(parts: readonly Pattern[]): LiteralSearch | null {
  const fromBeginning = isAssertion(parts[0], ASSERTION.beginText);
  const inner = fromBeginning ? parts.slice(1) : parts;
  const { text, count } = leadingText(inner);
  if (count === inner.length) return { kind: fromBeginning ? "startsWith" : "includes", text };
  if (count < inner.length - 1 || !isAssertion(inner[count], ASSERTION.endText)) return null;
  return { kind: fromBeginning ? "equals" : "endsWith", text };
}

const isAssertion = (part: Pattern | undefined, assertion: number): boolean => part?.kind === "assertion" && part.assertion === assertion;

/** The text that the first `count` parts spell. */
function leadingText(parts: readonly Pattern[]): { text: string; count: number } {
  let text = "";
  let count = 0;
  for (const part of parts) {
    const codePoint = part.kind === "set" ? onlyMember(part.set) : -1;
    // A lone surrogate can be half of a character of the text, which a string method would not notice.
    if (codePoint < 0 || (codePoint >= 0xd800 && codePoint <= 0xdfff)) break;
    text += String.fromCodePoint(codePoint);
    count++;
  }
  return { text, count };
}
