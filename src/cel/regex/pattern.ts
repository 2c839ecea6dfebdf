/** The syntax tree of a regular expression. Characters, classes and `.` are all sets of code points. */
import type { CharSet } from "./char-set.ts";

export type Pattern = EmptyPattern | SetPattern | AssertionPattern | SequencePattern | ChoicePattern | RepeatPattern | GroupPattern;

/** Matches the empty text. */
export interface EmptyPattern {
  readonly kind: "empty";
}
/** Matches one code point of the set; the empty set matches nothing. */
export interface SetPattern {
  readonly kind: "set";
  readonly set: CharSet;
}
export interface AssertionPattern {
  readonly kind: "assertion";
  readonly assertion: Assertion;
}
export interface SequencePattern {
  readonly kind: "sequence";
  readonly parts: readonly Pattern[];
}
/** Branches in order of preference. */
export interface ChoicePattern {
  readonly kind: "choice";
  readonly branches: readonly Pattern[];
}
/** `max` may be Infinity. */
export interface RepeatPattern {
  readonly kind: "repeat";
  readonly body: Pattern;
  readonly min: number;
  readonly max: number;
  readonly greedy: boolean;
}
/** A capturing group; `index` counts from 1. */
export interface GroupPattern {
  readonly kind: "group";
  readonly index: number;
  readonly body: Pattern;
}

/** Assertions about a position, as numbers so that programs can store them. Those that look at what follows come last. */
export const ASSERTION = {
  beginText: 0,
  beginLine: 1,
  endText: 2,
  endLine: 3,
  wordBoundary: 4,
  notWordBoundary: 5,
} as const;
export type Assertion = (typeof ASSERTION)[keyof typeof ASSERTION];

export const EMPTY: Pattern = { kind: "empty" };

export const sequence = (parts: readonly Pattern[]): Pattern => collapse(parts) ?? { kind: "sequence", parts };
export const choice = (branches: readonly Pattern[]): Pattern => collapse(branches) ?? { kind: "choice", branches };

function collapse(patterns: readonly Pattern[]): Pattern | null {
  if (patterns.length > 1) return null;
  return patterns[0] ?? EMPTY;
}

/** Whether the pattern can match without consuming anything, at every position; or, if assertions count as true, at some position. */
export function canBeEmpty(pattern: Pattern, assertionsHold: boolean): boolean {
  switch (pattern.kind) {
    case "empty":
      return true;
    case "set":
      return false;
    case "assertion":
      return assertionsHold;
    case "sequence":
      return pattern.parts.every((part) => canBeEmpty(part, assertionsHold));
    case "choice":
      return pattern.branches.some((branch) => canBeEmpty(branch, assertionsHold));
    case "repeat":
      return pattern.min === 0 || canBeEmpty(pattern.body, assertionsHold);
    case "group":
      return canBeEmpty(pattern.body, assertionsHold);
    default:
      return pattern satisfies never;
  }
}
