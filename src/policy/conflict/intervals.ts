/** Sets of integers as sorted intervals, each from `start` up to but without `end`: ports as numbers, addresses as bigints. */
export interface Interval<T extends number | bigint> {
  readonly start: T;
  readonly end: T;
}

/** INVARIANT: sorted, not empty, neither overlapping nor touching. */
export type Intervals<T extends number | bigint> = readonly Interval<T>[];

// `Math.min` takes no bigints.
const earlier = <T extends number | bigint>(a: T, b: T): T => (b < a ? b : a);
const later = <T extends number | bigint>(a: T, b: T): T => (b > a ? b : a);

export function intervalsOf<T extends number | bigint>(parts: readonly Interval<T>[]): Intervals<T> {
  const sorted = parts.filter(({ start, end }) => start < end).sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const merged: Interval<T>[] = [];
  for (const part of sorted) {
    const last = merged.at(-1);
    if (last === undefined || last.end < part.start) merged.push(part);
    else if (last.end < part.end) merged[merged.length - 1] = { start: last.start, end: part.end };
  }
  return merged;
}

export const intersectIntervals = <T extends number | bigint>(a: Intervals<T>, b: Intervals<T>): Intervals<T> =>
  intervalsOf(
    a.flatMap((left) =>
      b.map((right) => ({
        start: later(left.start, right.start),
        end: earlier(left.end, right.end),
      })),
    ),
  );

export function subtractIntervals<T extends number | bigint>(a: Intervals<T>, b: Intervals<T>): Intervals<T> {
  let rest: readonly Interval<T>[] = a;
  for (const { start, end } of b) {
    rest = rest.flatMap((part) => [
      { start: part.start, end: earlier(part.end, start) },
      { start: later(part.start, end), end: part.end },
    ]);
    rest = rest.filter((part) => part.start < part.end);
  }
  return intervalsOf(rest);
}

/** Whether each number of `a` is in `b`. */
export const isIntervalSubset = <T extends number | bigint>(a: Intervals<T>, b: Intervals<T>): boolean =>
  a.every((part) => b.some(({ start, end }) => start <= part.start && part.end <= end));
