/** Every example of docs/cel.md runs and prints what its comments say. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "vigil-cel-guide-"));
afterAll(() => rmSync(folder, { recursive: true }));

const guide = readFileSync(join(root, "docs/cel.md"), "utf8");
const examples = [...guide.matchAll(/^## (.+)|^```ts\n([\s\S]*?)^```/gm)].reduce<{
  title: string;
  found: { title: string; code: string }[];
}>(
  ({ title, found }, [, heading, code]) =>
    heading === undefined ? { title, found: [...found, { title, code: code ?? "" }] } : { title: heading, found },
  { title: "", found: [] },
).found;

test("the guide has examples", () => {
  expect(examples.length).toBeGreaterThanOrEqual(10);
});

test.each(examples)("$title: the example prints what it says", ({ code }) => {
  const file = join(folder, "example.ts");
  writeFileSync(file, code.replaceAll('"@vigil-dev/vigil/cel"', JSON.stringify(join(root, "src/cel/index.ts"))));
  const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: "utf8" });
  const expected = [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line);
  expect(stderr).toBe("");
  expect(expected.length).toBeGreaterThan(0);
  expect(stdout.trimEnd().split("\n")).toEqual(expected);
});
