/** Errors and diagnostics on standard error. */
import { type Diagnostic, renderDiagnostic, sortDiagnostics } from "../lib/diagnostic.ts";
import type { Terminal } from "./terminal.ts";

/** `error: WHAT`, and below it what to do. */
export function noteError(terminal: Terminal, message: string, hint?: string): void {
  terminal.note(`${terminal.style("red", "error:", "notes")} ${message}`);
  if (hint !== undefined) terminal.note(`  ${hint}`);
}

/** `warning: WHAT`, and below it what to do. */
export function noteWarning(terminal: Terminal, message: string, hint: string): void {
  terminal.note(`${terminal.style("yellow", "warning:", "notes")} ${message}`);
  terminal.note(`  ${hint}`);
}

/** Every diagnostic with its source line, in the order of files and lines; what is left out is counted. */
export function noteDiagnostics(terminal: Terminal, diagnostics: readonly Diagnostic[]): void {
  const shown = sortDiagnostics(diagnostics);
  for (const diagnostic of shown) {
    const colour = diagnostic.severity === "error" ? "red" : "yellow";
    const head = `${diagnostic.severity}:`;
    terminal.note(terminal.style(colour, head, "notes") + renderDiagnostic(diagnostic).slice(head.length));
  }
  if (diagnostics.length > shown.length) terminal.note(`… and ${diagnostics.length - shown.length} more`);
}
