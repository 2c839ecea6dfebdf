/** A place in a text. */
export interface LinePosition {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
  /** Without its line break. */
  readonly sourceLine: string;
}

/** Turns offsets of a text into lines and columns. The lines are found at the first question. */
export class LineIndex {
  readonly #text: string;
  #starts: readonly number[] | null = null;

  constructor(text: string) {
    this.#text = text;
  }

  /** The position of a UTF-16 offset; one in a line break, or beyond the text, is at the end of the line. */
  locate(offset: number): LinePosition {
    this.#starts ??= lineStarts(this.#text);
    const starts = this.#starts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    const start = starts[low] ?? 0;
    const sourceLine = this.#text.slice(start, starts[low + 1]).replace(/[\r\n]+$/, "");
    return { line: low + 1, column: Math.min(offset - start, sourceLine.length) + 1, sourceLine };
  }
}

/** A line ends with a line feed, a carriage return, or both. */
function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let pos = 0; pos < text.length; pos++) {
    const code = text.charCodeAt(pos);
    if (code === 10 || (code === 13 && text.charCodeAt(pos + 1) !== 10)) starts.push(pos + 1);
  }
  return starts;
}
