/** The suites of test/data/kyverno give the results that Kyverno's own command line gives. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import type { TestLoader } from "../../src/policy/kyverno-test/load-suite.ts";
import { runPolicyTests } from "../../src/policy/kyverno-test/run-tests.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { ROOT } from "../source-tree.ts";

const DATA = join(ROOT, "test/data/kyverno");

const entryAt = (path: string) => statSync(path, { throwIfNoEntry: false });

const loader: TestLoader = {
  read: (path) => (entryAt(path)?.isFile() === true ? readDocuments(readFileSync(path), path) : undefined),
  list: (path) => (entryAt(path)?.isDirectory() === true ? readdirSync(path).sort() : undefined),
};

const suites = readdirSync(DATA, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith("kyverno-test.yaml"))
  .map((path) => relative(DATA, dirname(dirname(join(DATA, path)))));

test("all 31 suites are there", () => {
  expect(suites).toHaveLength(31);
});

describe.each(suites)("%s", (suite) => {
  const report = runPolicyTests(loader, join(DATA, suite, ".kyverno-test/kyverno-test.yaml"));

  test("loads without a complaint", () => {
    expect(report.diagnostics).toEqual([]);
    expect(report.rows.length).toBeGreaterThan(0);
  });

  test("gives the expected results", () => {
    expect(report.rows.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
    // A result that nothing was compared for proves nothing.
    expect(report.rows.filter(({ reason }) => reason !== "Ok")).toEqual([]);
  });
});
