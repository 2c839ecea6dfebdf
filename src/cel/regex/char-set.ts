/**
 * Sets of code points: sorted, disjoint, not adjacent ranges, flat as `[low, high, low, high, …]`, both ends inclusive.
 */
export type CharSet = readonly number[];

export const MAX_CODE_POINT = 0x10ffff;
export const ANY_CHAR: CharSet = [0, MAX_CODE_POINT];
export const NEWLINE: CharSet = [0x0a, 0x0a];
export const NOT_NEWLINE: CharSet = [0, 0x09, 0x0b, MAX_CODE_POINT];
export const WORD_CHAR: CharSet = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];

export const singleton = (codePoint: number): CharSet => [codePoint, codePoint];

/** The set that covers `ranges`, which may be unsorted and may overlap. */
export function unionOf(ranges: readonly number[]): CharSet {
  const pairs: (readonly [low: number, high: number])[] = [];
  for (let i = 0; i + 1 < ranges.length; i += 2) pairs.push([ranges[i] ?? 0, ranges[i + 1] ?? 0]);
  pairs.sort((a, b) => a[0] - b[0]);
  const union: number[] = [];
  let last = -2;
  for (const [low, high] of pairs) {
    if (low > last + 1) union.push(low, high);
    else if (high > last) union[union.length - 1] = high;
    last = Math.max(last, high);
  }
  return union;
}

/** Every code point that is not in `set`. */
export function complementOf(set: CharSet): CharSet {
  const complement: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    const low = set[i] ?? 0;
    if (low > next) complement.push(next, low - 1);
    next = (set[i + 1] ?? 0) + 1;
  }
  if (next <= MAX_CODE_POINT) complement.push(next, MAX_CODE_POINT);
  return complement;
}

export function contains(set: CharSet, codePoint: number): boolean {
  let low = 0;
  let high = set.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[2 * middle + 1] ?? 0) < codePoint) low = middle + 1;
    else high = middle;
  }
  return 2 * low < set.length && (set[2 * low] ?? 0) <= codePoint;
}

/** The only code point of a set with one, otherwise -1. */
export const onlyMember = (set: CharSet): number => (set.length === 2 && set[0] === set[1] ? (set[0] ?? -1) : -1);
