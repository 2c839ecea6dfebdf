/** Where the nodes of a document stand in its text, for messages. All offsets are UTF-16 units of the whole text. */
export interface Span {
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly start: number;
  readonly end: number;
  /**
   * For a scalar whose text is not simply a slice of the source: pairs of an offset into the text and the offset in the
   * source that it came from, ascending.
   */
  readonly segments: readonly number[] | null;
}

/** The children of each mapping and sequence, by key or index. */
export type Spans = Map<object, Map<string | number, Span>>;

/** Where unit `offset` of the scalar at `span` was written. */
export function sourceOffset(text: string, span: Span, offset: number): number {
  const { start, end, segments } = span;
  if (segments === null) {
    const quote = text[start] === '"' || text[start] === "'" ? 1 : 0;
    return Math.min(start + quote + offset, end);
  }
  let low = 0;
  let high = segments.length / 2 - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((segments[middle * 2] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  const from = segments[low * 2] ?? 0;
  const source = segments[low * 2 + 1] ?? start;
  const next = segments[low * 2 + 3] ?? end;
  // Text that an escape or a fold produced has no unit of its own in the source: stay inside its segment.
  return Math.min(source + Math.max(0, offset - from), Math.max(source, next - 1));
}
