import type { Diagnostic } from "../lib/diagnostic.ts";
import type { SourceText } from "./source-text.ts";

/** Codes of what the front end finds wrong in an expression. Each is a row in ERRORS.md. */
export type CelDiagnosticCode =
  | "CEL_SYNTAX"
  | "CEL_LITERAL"
  | "CEL_TOO_LARGE"
  | "CEL_MACRO_ARGUMENT"
  | "CEL_UNDECLARED"
  | "CEL_UNKNOWN_FUNCTION"
  | "CEL_NO_MATCHING_OVERLOAD"
  | "CEL_UNKNOWN_FIELD"
  | "CEL_UNKNOWN_TYPE"
  | "CEL_NO_FIELDS"
  | "CEL_NOT_ITERABLE"
  | "CEL_TYPE_MISMATCH";

/** A range of UTF-16 offsets into the text of an expression, `end` exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** An error diagnostic at a span of an expression; a span that runs over a line break is cut at the end of its first line. */
export function celDiagnostic(source: SourceText, code: CelDiagnosticCode, message: string, span: Span, hint?: string): Diagnostic {
  const { line, column, sourceLine } = source.locate(span.start);
  const newline = source.text.indexOf("\n", span.start);
  const end = newline === -1 ? span.end : Math.min(span.end, newline);
  const length = Math.max(1, end - span.start);
  const diagnostic = { code, severity: "error" as const, message, file: source.file, line, column, length, sourceLine };
  return hint === undefined ? diagnostic : { ...diagnostic, hint };
}

/** The user's text in backticks, on one line, shortened to 40 UTF-16 units. */
export function quoteInput(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return `\`${line.length > 40 ? `${line.slice(0, 39)}…` : line}\``;
}
