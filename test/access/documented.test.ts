/** Policies that the documents show, and those among the examples, are read and compile. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { accessResources } from "../access-fixture.ts";
import { filesUnder, readText } from "../source-tree.ts";

const blocks = [...readText("docs/access-policies.md").matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);

describe("docs/access-policies.md", () => {
  test("shows policies", () => expect(blocks.length).toBeGreaterThan(4));
  test.each(blocks)("block %#", (text) => {
    expect(compileAccessSet(accessResources(text)).diagnostics).toEqual([]);
  });
});

test.each(filesUnder("examples/access", ".yaml").filter((file) => !file.endsWith("workloads.yaml")))("%s", (file) => {
  expect(compileAccessSet(accessResources(readFileSync(file, "utf8"), file)).diagnostics).toEqual([]);
});
