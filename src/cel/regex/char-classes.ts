/** Groups code points that no instruction of a program tells apart, so that an automaton needs one column per group. */
import { type CharSet, MAX_CODE_POINT, NEWLINE, WORD_CHAR } from "./char-set.ts";
import type { Program } from "./program.ts";

const ASCII_SIZE = 128;

export interface CharClasses {
  readonly count: number;
  /** The class of each ASCII character. */
  readonly ascii: Uint8Array;
  /** Where each run of code points of one class begins, ascending; the first is 0. */
  readonly runStarts: readonly number[];
  readonly runClasses: readonly number[];
  /** One member of each class. */
  readonly representatives: readonly number[];
}

export function charClassesOf(program: Program): CharClasses {
  const sets = [...program.sets];
  if (program.hasWordBoundary) sets.push(WORD_CHAR);
  if (program.hasLineAssertion) sets.push(NEWLINE);
  const runStarts = runStartsOf(sets);
  const { runClasses, representatives } = numberInOrder(runStarts, refine(runStarts, sets));
  const ascii = new Uint8Array(ASCII_SIZE);
  let run = 0;
  for (let codePoint = 0; codePoint < ASCII_SIZE; codePoint++) {
    if (runStarts[run + 1] === codePoint) run++;
    ascii[codePoint] = runClasses[run] ?? 0;
  }
  return { count: representatives.length, ascii, runStarts, runClasses, representatives };
}

export function classOf(classes: CharClasses, codePoint: number): number {
  const { runStarts, runClasses } = classes;
  let low = 0;
  let high = runStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((runStarts[middle] ?? 0) <= codePoint) low = middle;
    else high = middle - 1;
  }
  return runClasses[low] ?? 0;
}

function runStartsOf(sets: readonly CharSet[]): readonly number[] {
  const starts = new Set([0]);
  for (const set of sets) {
    for (let i = 0; i < set.length; i += 2) {
      starts.add(set[i] ?? 0);
      const after = (set[i + 1] ?? 0) + 1;
      if (after <= MAX_CODE_POINT) starts.add(after);
    }
  }
  return [...starts].sort((a, b) => a - b);
}

/** Gives two runs the same number exactly when every set has both or neither. */
function refine(runStarts: readonly number[], sets: readonly CharSet[]): readonly number[] {
  const runOf = new Map(runStarts.map((start, run) => [start, run]));
  const groups = new Array<number>(runStarts.length).fill(0);
  let groupCount = 1;
  for (const set of sets) {
    const inside = new Map<number, number>();
    for (let i = 0; i < set.length; i += 2) {
      const end = runOf.get((set[i + 1] ?? 0) + 1) ?? runStarts.length;
      for (let run = runOf.get(set[i] ?? 0) ?? end; run < end; run++) {
        const group = groups[run] ?? 0;
        const split = inside.get(group) ?? groupCount++;
        inside.set(group, split);
        groups[run] = split;
      }
    }
  }
  return groups;
}

/** Renumbers groups by first appearance, so that the ASCII classes come first and fit into a byte. */
function numberInOrder(runStarts: readonly number[], groups: readonly number[]): { runClasses: number[]; representatives: number[] } {
  const classOfGroup = new Map<number, number>();
  const representatives: number[] = [];
  const runClasses = groups.map((group, run) => {
    const known = classOfGroup.get(group);
    if (known !== undefined) return known;
    classOfGroup.set(group, representatives.length);
    return representatives.push(runStarts[run] ?? 0) - 1;
  });
  return { runClasses, representatives };
}
