/** `vigil policy test`: Kyverno's tests, with the results that its command line gives. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import type { TestRow } from "../../policy/kyverno-test/check-results.ts";
import type { TestLoader } from "../../policy/kyverno-test/load-suite.ts";
import { runPolicyTests } from "../../policy/kyverno-test/run-tests.ts";
import { readDocuments } from "../../resource/document.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { type InputErrorCode, readInput } from "../read-input.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export interface PolicyTestOptions {
  readonly directories: readonly string[];
  /** Of the files that hold tests. */
  readonly fileName: string;
  /** Shows rows that passed, too. */
  readonly showsAll: boolean;
  readonly format: "text" | "json";
}

interface SuiteReport {
  readonly file: string;
  readonly tests: readonly string[];
  readonly rows: readonly TestRow[];
  readonly diagnostics: readonly Diagnostic[];
}

export function testPolicies({ directories, fileName, showsAll, format }: PolicyTestOptions, terminal: Terminal): ExitCode {
  const files = directories.flatMap((directory) => testFiles(directory, (name) => name === fileName));
  if (files.length === 0) {
    noteError(
      terminal,
      `no \`${fileName}\` below ${directories.join(", ")}`,
      "name the directory that holds the tests, or their files with `--file-name`",
    );
    return EXIT.unable;
  }
  const suites = files.map((file, index) => {
    terminal.progress(`testing ${index + 1} of ${files.length}`);
    return runSuite(file, terminal);
  });
  terminal.progress(null);
  const count = countOf(suites);
  if (format === "json") terminal.printJson({ ...count, suites: suites.map(jsonOf) });
  else {
    for (const suite of suites) printSuite(suite, showsAll, terminal);
    terminal.print(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
  return count.failed > 0 ? EXIT.no : EXIT.yes;
}

/** A suite that does not load, and has no failed row to show for it, is one failure. */
function countOf(suites: readonly SuiteReport[]): { readonly passed: number; readonly failed: number; readonly skipped: number } {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const { rows, diagnostics } of suites) {
    for (const { outcome } of rows) count[outcome]++;
    if (diagnostics.some(({ severity }) => severity === "error") && !rows.some(({ outcome }) => outcome === "failed")) count.failed++;
  }
  return count;
}

function runSuite(file: string, terminal: Terminal): SuiteReport {
  const { tests, rows, diagnostics } = runPolicyTests(fileLoader(terminal), file);
  return { file, tests, rows, diagnostics };
}

const fileLoader = (terminal: Terminal): TestLoader => ({
  read: (path) => (isFile(path) ? readDocuments(readInput(path, terminal), path) : undefined),
  list: (path) => (statSync(path, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(path).sort() : undefined),
});

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** Files of tests below a directory, hidden folders included: that is where Kyverno's policies keep them. */
export function testFiles(directory: string, isWanted: (name: string) => boolean): readonly string[] {
  try {
    if (!statSync(directory).isDirectory()) return [directory];
    const found = readdirSync(directory, { recursive: true, withFileTypes: true });
    return found
      .filter((entry) => entry.isFile() && isWanted(entry.name) && !entry.parentPath.includes("node_modules"))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  } catch (error) {
    throw new VigilError<InputErrorCode>("INPUT_UNREADABLE", `cannot read \`${directory}\`: ${messageOf(error)}`, { cause: error });
  }
}

function printSuite({ file, tests, rows, diagnostics }: SuiteReport, showsAll: boolean, terminal: Terminal): void {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const shown = rows.filter(({ outcome }) => showsAll || outcome !== "passed");
  noteDiagnostics(terminal, errors);
  if (shown.length === 0 && errors.length === 0) return;
  terminal.print(`${terminal.style("bold", tests.join(", "))}  ${terminal.style("dim", file)}`);
  const table = shown.map((row) => [
    `  ${styledOutcome(row, terminal)}`,
    [row.policy, row.rule].filter((part) => part !== "").join("/"),
    row.resource,
    `expected ${row.expected}, got ${row.actual ?? "nothing"}`,
    row.outcome === "passed" ? "" : [row.reason, row.message].filter((part) => part !== "").join(": "),
  ]);
  for (const line of wrapColumns(table, terminal.width)) terminal.print(line);
}

function styledOutcome({ outcome }: TestRow, terminal: Terminal): string {
  return terminal.style(outcome === "failed" ? "red" : outcome === "skipped" ? "yellow" : "green", outcome);
}

const jsonOf = ({ file, tests, rows, diagnostics }: SuiteReport): unknown => ({
  file,
  tests,
  results: rows.map((row) => ({ ...row, actual: row.actual ?? null })),
  errors: diagnostics.filter(({ severity }) => severity === "error").map(({ sourceLine: _, ...diagnostic }) => diagnostic),
});
