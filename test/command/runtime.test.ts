import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT } from "../source-tree.ts";
import { vigil } from "./run-vigil.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-runtime-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const write = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};
const policy = (condition: string): string =>
  `apiVersion: vigil.dev/v1alpha1\nkind: RuntimePolicy\nmetadata: {name: p}\nspec:\n  match: {events: [process.exec]}\n  conditions:\n    - {name: c, expression: ${condition}}\n`;
const TEST =
  "apiVersion: vigil.dev/v1alpha1\nkind: RuntimeTest\nmetadata: {name: t}\nspec:\n  policies: [p.yaml]\n  cases:\n    - {name: one, events: [{call: execve, process: {name: x}}], findings: [p]}\n    - {name: none, events: [{call: execve, process: {name: z}}]}\n";

describe("vigil runtime test", () => {
  test("runs the tests of the built-in policies: every policy finds its attack", () => {
    const { status, stdout } = vigil(["runtime", "test", "packs", "--format", "json"]);
    const { passed, failed } = JSON.parse(stdout);
    expect({ status, failed }).toEqual({ status: 0, failed: 0 });
    expect(passed).toBeGreaterThan(40);
    const { policies } = JSON.parse(vigil(["runtime", "rules", "packs/runtime", "--format", "json"]).stdout);
    const tested = new Set(expectedFindings());
    expect(policies.map(({ name }: { readonly name: string }) => name).filter((name: string) => !tested.has(name))).toEqual([]);
  });

  test("says what was expected and did not come, and the reverse", () => {
    write("p.yaml", policy('process.name == "z"'));
    const { status, stdout } = vigil(["runtime", "test", write("runtime-test.yaml", TEST)]);
    expect(status).toBe(1);
    expect(stdout).toContain("expected p");
    expect(stdout).toContain("did not expect p");
    expect(stdout).toContain("0 passed, 2 failed");
  });

  test("shows mistakes of policies where they are", () => {
    write("p.yaml", policy("process.nam == 1"));
    const { status, stderr } = vigil(["runtime", "test", write("runtime-test.yaml", TEST)]);
    expect(status).toBe(1);
    expect(stderr).toContain("unknown field `nam` of `vigil.Process`");
    expect(stderr).toMatch(/p\.yaml:7:\d+/);
  });
});

describe("vigil runtime rules", () => {
  test("tells of Falco's rules which run and why the rest cannot", () => {
    const { status, stdout } = vigil(["runtime", "rules", "test/data/falco"]);
    expect(status).toBe(0);
    expect(stdout).toContain("92 run, 1 cannot");
    expect(stdout).toMatch(/Java Process Class File Download.*evt\.buffer/);
  });

  test("shows the mistakes of a rule file with a caret", () => {
    const file = write("r.yaml", "- rule: r\n  desc: d\n  condition: proc.nam = a\n  output: o\n  priority: INFO\n");
    const { status, stderr } = vigil(["runtime", "rules", file]);
    expect(status).toBe(1);
    expect(stderr).toContain("unknown field `proc.nam`");
    expect(stderr).toContain("r.yaml:3:14");
    expect(stderr).toContain("did you mean `proc.name`?");
  });
});

const expectedFindings = (): readonly string[] =>
  [...readFileSync(join(ROOT, "packs/runtime/tests/runtime-test.yaml"), "utf8").matchAll(/findings: \[([^\]]+)\]/g)].map(
    ([, name = ""]) => name,
  );
