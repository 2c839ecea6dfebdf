/** Runs a test file of Kyverno's format: loads what it names, judges it, and compares. */
import { posix } from "node:path";
import { CelError, type CelValue } from "../../cel/value.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { JsonObject } from "../../lib/json.ts";
import { readValues } from "../../resource/document.ts";
import { reviewOfObject } from "../review-of.ts";
import { compileSnapshot } from "../snapshot.ts";
import { checkResults, type TestRow } from "./check-results.ts";
import { type Judging, judgeSuite } from "./judge-suite.ts";
import { loadSuite, type TestLoader } from "./load-suite.ts";
import { suiteWorld } from "./suite-world.ts";
import { isTestDocument, type PolicyTest, parseTest } from "./test-file.ts";

export interface TestReport {
  /** The names of the tests in the file. */
  readonly tests: readonly string[];
  readonly passed: number;
  readonly failed: number;
  /** Results about policies of kinds that are not judged. */
  readonly skipped: number;
  readonly rows: readonly TestRow[];
  /** With an error among them, the file did not load as a whole. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Runs all tests of a file. A test that does not load has one failed row. */
export function runPolicyTests(loader: TestLoader, testFile: string): TestReport {
  const diagnostics: Diagnostic[] = [];
  const file = loader.read(testFile);
  if (file === undefined) diagnostics.push(problem("TEST_FILE_MISSING", `no file \`${testFile}\``, testFile));
  else diagnostics.push(...file.diagnostics);
  const documents = (file?.documents ?? []).filter(isTestDocument);
  if (file !== undefined && documents.length === 0) diagnostics.push(problem("TEST_INVALID", "no `kind: Test` in this file", testFile));
  const tests: string[] = [];
  const rows: TestRow[] = [];
  for (const document of documents) {
    const parsed = parseTest(document, diagnostics);
    if (!parsed.ok) {
      diagnostics.push(...parsed.error);
      continue;
    }
    const test = parsed.value;
    tests.push(test.name);
    rows.push(...runTest(test, loader, testFile, diagnostics));
  }
  const count = (outcome: TestRow["outcome"]): number => rows.filter((row) => row.outcome === outcome).length;
  return { tests, passed: count("passed"), failed: count("failed"), skipped: count("skipped"), rows, diagnostics };
}

function runTest(test: PolicyTest, loader: TestLoader, testFile: string, diagnostics: Diagnostic[]): readonly TestRow[] {
  const suite = loadSuite(test, testFile, loader, diagnostics);
  const { kinds } = suite;
  const { snapshot, diagnostics: problems } = compileSnapshot(suite.policies, {
    schemaOf: kinds.schemaOf,
    random: () => 0.5,
    parseYaml,
    unboundPolicies: "bound",
  });
  diagnostics.push(...problems);
  const judging: Judging = { suite, snapshot, world: suiteWorld(suite, kinds.resourceTypeOf), resourceTypeOf: kinds.resourceTypeOf };
  const expectedObjects = (path: string): readonly JsonObject[] | undefined =>
    loader.read(posix.join(suite.directory, path))?.documents.map(({ value }) => placed(value, judging));
  return checkResults(test.results, judgeSuite(judging, diagnostics), expectedObjects);
}

/** The object in the namespace that it has by default. */
function placed(object: JsonObject, { resourceTypeOf }: Judging): JsonObject {
  const review = reviewOfObject(object, { resourceTypeOf });
  return review.ok ? (review.value.object ?? object) : object;
}

function parseYaml(text: string): CelValue {
  const { documents, diagnostics } = readValues(text, "<yaml>");
  return documents[0]?.value ?? new CelError("CEL_INVALID_ARGUMENT", diagnostics[0]?.message ?? "no YAML document");
}

const problem = (code: string, message: string, file: string): Diagnostic => ({
  code,
  severity: "error",
  message,
  file,
  line: 1,
  column: 1,
  length: 1,
});
