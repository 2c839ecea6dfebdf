/**
 * Diagnostics: what is wrong, where, and what to do, as data. The wording is made where the mistake is found;
 * `renderDiagnostic` draws it for a terminal.
 */
export interface Diagnostic {
  /** A stable code, a row in ERRORS.md. */
  readonly code: string;
  readonly severity: "error" | "warning";
  /** Lower case, one line, no final period, the user's input in backticks. */
  readonly message: string;
  /** A path as the user gave it, or a name in angle brackets such as `<expression>`. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
  /** How many UTF-16 units on that line are meant; at least 1. */
  readonly length: number;
  /** The source line, without its line break, when it is at hand. */
  readonly sourceLine?: string;
  /** What to do: printed after the caret, e.g. "did you mean `replicas`?". */
  readonly hint?: string;
}

/** Diagnostics are capped at this many; the rest is counted. */
export const MAX_DIAGNOSTICS = 100;

/** Orders diagnostics by file, line and column and caps them at `MAX_DIAGNOSTICS`. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const order = (a: Diagnostic, b: Diagnostic): number =>
    a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1;
  return [...diagnostics].sort(order).slice(0, MAX_DIAGNOSTICS);
}

const MAX_SHOWN_COLUMNS = 160;

/**
 * Draws one diagnostic as plain text without colour:
 *
 *     error: no such field `replicaz` in apps/v1 Deployment.spec
 *       policies/limit.yaml:14:23
 *     14 |   - expression: object.spec.replicaz <= 5
 *        |                             ^^^^^^^^ did you mean `replicas`?
 */
export function renderDiagnostic(diagnostic: Diagnostic): string {
  const { severity, message, file, line, column, length, sourceLine, hint } = diagnostic;
  const head = `${severity}: ${message}\n  ${file}:${line}:${column}`;
  if (sourceLine === undefined) return hint === undefined ? head : `${head}\n  ${hint}`;
  const gutter = String(line);
  const offset = Math.max(0, column - 1 - MAX_SHOWN_COLUMNS / 2);
  const shown = sourceLine.slice(offset, offset + MAX_SHOWN_COLUMNS).replaceAll("\t", " ");
  const indent = " ".repeat(Math.max(0, column - 1 - offset));
  const caret = "^".repeat(Math.max(1, Math.min(length, shown.length - indent.length)));
  const tail = hint === undefined ? "" : ` ${hint}`;
  return `${head}\n${gutter} | ${shown}\n${" ".repeat(gutter.length)} | ${indent}${caret}${tail}`;
}
