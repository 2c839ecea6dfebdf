/** `vigil runtime test`: events of test files through the policies that they name. */
import { dirname, join } from "node:path";
import { readDocuments } from "../../resource/document.ts";
import { type RuntimeTestResult, runRuntimeTest } from "../../sensor/run-runtime-test.ts";
import { parseRuntimeTest, type RuntimeTest } from "../../sensor/runtime-test.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { testFiles } from "../policy/test.ts";
import { readInput } from "../read-input.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { loadRuntimeRules } from "./load-rules.ts";

const FILE_NAME = "runtime-test.yaml";

export interface RuntimeTestOptions {
  readonly showsAll: boolean;
  readonly format: "text" | "json";
}

export function testRuntimeRules(paths: readonly string[], { showsAll, format }: RuntimeTestOptions, terminal: Terminal): ExitCode {
  const files = paths.flatMap((path) => testFiles(path, (name) => name === FILE_NAME));
  if (files.length === 0) {
    noteError(terminal, `no \`${FILE_NAME}\` below ${paths.join(", ")}`, "name the directory that holds the tests, or their files");
    return EXIT.unable;
  }
  const loaded = files.map((file) => runFile(file, terminal));
  const results = loaded.flatMap((run) => run.results);
  const failed = results.filter(({ isPassed }) => !isPassed).length + loaded.filter(({ isLoaded }) => !isLoaded).length;
  const passed = results.filter(({ isPassed }) => isPassed).length;
  if (format === "json") terminal.printJson({ passed, failed, results });
  else {
    const shown = results.filter(({ isPassed }) => showsAll || !isPassed);
    for (const line of wrapColumns(
      shown.map((result) => resultRow(result, terminal)),
      terminal.width,
    ))
      terminal.print(line);
    terminal.print(`${passed} passed, ${failed} failed`);
  }
  return failed > 0 ? EXIT.no : EXIT.yes;
}

interface FileRun {
  readonly results: readonly RuntimeTestResult[];
  readonly isLoaded: boolean;
}

function runFile(file: string, terminal: Terminal): FileRun {
  const { documents, diagnostics } = readDocuments(readInput(file, terminal), file);
  const problems = [...diagnostics];
  const tests: RuntimeTest[] = [];
  for (const document of documents) {
    const parsed = parseRuntimeTest(document);
    if (parsed.kind === "test") tests.push(parsed.test);
    else if (parsed.kind === "refused") problems.push(...parsed.diagnostics);
  }
  const results = tests.flatMap((test) => {
    const policyFiles = test.policies.map((path) => join(dirname(file), path));
    const { policies, diagnostics: mistakes } = loadRuntimeRules(policyFiles, terminal);
    problems.push(...mistakes);
    return runRuntimeTest(test, policies);
  });
  noteDiagnostics(terminal, problems);
  return { results, isLoaded: tests.length > 0 && !problems.some(({ severity }) => severity === "error") };
}

function resultRow({ test, case: name, isPassed, missing, unexpected }: RuntimeTestResult, terminal: Terminal): readonly string[] {
  const what = [...missing.map((policy) => `expected ${policy}`), ...unexpected.map((found) => `did not expect ${found}`)].join("; ");
  return [terminal.style(isPassed ? "green" : "red", isPassed ? "passed" : "failed"), test, name, what];
}
