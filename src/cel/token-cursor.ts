import { type Diagnostic, MAX_DIAGNOSTICS } from "../lib/diagnostic.ts";
import { type CelDiagnosticCode, celDiagnostic, quoteInput, type Span } from "./diagnostic.ts";
import type { SourceText } from "./source-text.ts";
import { TOKEN, type TokenKind, type Tokens } from "./token.ts";

const MAX_NODES = 100_000;

/** What other languages write where CEL has an operator. */
const WORD_HINTS: ReadonlyMap<string, string> = new Map([
  ["and", "did you mean `&&`?"],
  ["or", "did you mean `||`?"],
  ["not", "did you mean `!`?"],
  ["is", "did you mean `==`?"],
]);

/**
 * The parser's place in the tokens, the numbers of its nodes, and what it reports. After a syntax error the cursor stands on
 * the end token, so that every loop of the parser ends.
 */
export class TokenCursor {
  readonly source: SourceText;
  readonly text: string;
  readonly kinds: readonly TokenKind[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly maxDepth: number;
  readonly diagnostics: Diagnostic[] = [];
  hasFailed = false;
  index = 0;
  kind: TokenKind;
  nodeCount = 0;

  constructor(source: SourceText, tokens: Tokens, maxDepth: number) {
    this.source = source;
    this.text = source.text;
    this.kinds = tokens.kinds;
    this.starts = tokens.starts;
    this.ends = tokens.ends;
    this.maxDepth = maxDepth;
    this.kind = tokens.kinds[0] ?? TOKEN.end;
  }

  /** Whether the current token is of this kind. */
  isAt(kind: TokenKind): boolean {
    return this.kind === kind;
  }

  nextId(): number {
    if (this.nodeCount === MAX_NODES) this.fail("CEL_TOO_LARGE", `expression has more than ${MAX_NODES} nodes`, { start: 0, end: 1 });
    return this.nodeCount++;
  }

  start(): number {
    return this.starts[this.index] ?? this.text.length;
  }

  end(): number {
    return this.ends[this.index] ?? this.text.length;
  }

  lastEnd(): number {
    return this.ends[this.index - 1] ?? 0;
  }

  currentText(): string {
    return this.text.slice(this.starts[this.index], this.ends[this.index]);
  }

  takeText(): string {
    const text = this.currentText();
    this.advance();
    return text;
  }

  advance(): void {
    if (this.kind === TOKEN.end) return;
    this.index++;
    this.kind = this.kinds[this.index] ?? TOKEN.end;
  }

  accept(kind: TokenKind): boolean {
    if (this.kind !== kind) return false;
    this.advance();
    return true;
  }

  expect(kind: TokenKind, what: string, hint?: string): void {
    if (!this.accept(kind)) this.failUnexpected(what, hint);
  }

  /** `expect` for the bracket that closes the one at `open`. */
  expectClosing(kind: TokenKind, what: string, open: number): void {
    if (this.accept(kind)) return;
    const { line, column } = this.source.locate(open);
    this.failUnexpected(what, `\`${this.text.charAt(open)}\` at ${line}:${column} is not closed`);
  }

  failUnexpected(expected: string, hint?: string): void {
    const isAtEnd = this.isAt(TOKEN.end);
    const got = isAtEnd ? "the end of the expression" : quoteInput(this.currentText());
    const span = isAtEnd ? { start: this.lastEnd(), end: this.lastEnd() } : { start: this.start(), end: this.end() };
    this.fail("CEL_SYNTAX", `expected ${expected}, got ${got}`, span, WORD_HINTS.get(this.currentText()) ?? hint);
  }

  failTooDeep(start: number): void {
    this.fail("CEL_TOO_LARGE", `expression is nested more than ${this.maxDepth} levels deep`, { start, end: start + 1 });
  }

  /** Reports an error that makes the rest unreadable. */
  fail(code: CelDiagnosticCode, message: string, span: Span, hint?: string): void {
    if (!this.hasFailed) this.report(code, message, span, hint);
    this.hasFailed = true;
    this.index = this.kinds.length - 1;
    this.kind = TOKEN.end;
  }

  /** Reports an error after which parsing goes on. */
  report(code: CelDiagnosticCode, message: string, span: Span, hint?: string): void {
    if (!this.hasFailed && this.diagnostics.length < MAX_DIAGNOSTICS)
      this.diagnostics.push(celDiagnostic(this.source, code, message, span, hint));
  }
}
