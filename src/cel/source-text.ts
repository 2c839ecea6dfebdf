/** The text of one expression and how its offsets map to the file that it was written in. */
export interface SourceText {
  readonly text: string;
  /** A path as the user gave it, or a name in angle brackets such as `<expression>`. */
  readonly file: string;
  /** Position in the file of a UTF-16 offset into `text`; both 1-based. */
  readonly locate: (offset: number) => { readonly line: number; readonly column: number; readonly sourceLine: string };
}

/** The source of an expression that is a whole file, or was typed. */
export function sourceText(text: string, file: string = "<expression>"): SourceText {
  const locate = (offset: number): { line: number; column: number; sourceLine: string } => {
    const start = offset === 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1;
    const end = text.indexOf("\n", offset);
    const line = text.slice(0, start).split("\n").length;
    return { line, column: offset - start + 1, sourceLine: text.slice(start, end === -1 ? undefined : end) };
  };
  return { text, file, locate };
}
