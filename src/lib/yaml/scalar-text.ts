/** The text of a scalar under construction, out of slices of the source and of characters that escapes and folds stand for. */
export class ScalarText {
  readonly #source: string;
  readonly #segments: number[] | null;
  #text = "";

  /** With `isTraced` the origin of every piece is kept. */
  constructor(source: string, isTraced: boolean) {
    this.#source = source;
    this.#segments = isTraced ? [] : null;
  }

  get text(): string {
    return this.#text;
  }

  get segments(): readonly number[] | null {
    return this.#segments;
  }

  /** Appends source[start, end). */
  slice(start: number, end: number): void {
    if (start >= end) return;
    this.#segments?.push(this.#text.length, start);
    this.#text += this.#source.slice(start, end);
  }

  /** Appends `text`, which stands at `offset` of the source in another form. */
  literal(text: string, offset: number): void {
    if (text === "") return;
    this.#segments?.push(this.#text.length, offset);
    this.#text += text;
  }

  /** Appends what `breaks` line breaks between two lines of a flow scalar fold to: one is a space, n are n-1 line feeds. */
  fold(breaks: number, offset: number): void {
    this.literal(breaks === 1 ? " " : "\n".repeat(breaks - 1), offset);
  }
}
