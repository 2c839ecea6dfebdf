import { RegexError, type RegexErrorCode } from "./regex-error.ts";

/** A place in the text of a pattern that moves forward by code points. Faults are thrown and become the result of `parsePattern`. */
export class PatternCursor {
  readonly text: string;
  position: number = 0;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    return this.position >= this.text.length;
  }

  startsWith(expected: string): boolean {
    return this.text.startsWith(expected, this.position);
  }

  /** Moves past `expected` and says so, or stays. */
  skip(expected: string): boolean {
    if (!this.startsWith(expected)) return false;
    this.position += expected.length;
    return true;
  }

  /** The next code point as text; empty at the end. */
  peek(): string {
    const codePoint = this.text.codePointAt(this.position);
    return codePoint === undefined ? "" : String.fromCodePoint(codePoint);
  }

  /** Moves past one code point and returns it. The caller has checked that there is one. */
  take(): string {
    const next = this.peek();
    this.position += next.length;
    return next;
  }

  /** Moves past what the sticky expression matches here and returns it, or returns null. */
  match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.position;
    const match = expression.exec(this.text);
    if (match !== null) this.position = expression.lastIndex;
    return match;
  }

  fault(message: string, from: number, options: { readonly code?: RegexErrorCode; readonly hint?: string } = {}): RegexError {
    return new RegexError(options.code ?? "REGEX_SYNTAX", message, from, options.hint);
  }

  /** The pattern's text from `from` up to here, for a message. */
  since(from: number): string {
    return this.text.slice(from, this.position);
  }
}
