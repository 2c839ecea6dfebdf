import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DOCUMENT, falcoRules } from "./falco-rules.ts";

test("docs/falco-rules.md is up to date; `node scripts/falco-rules.ts` writes it", () => {
  expect(readFileSync(join(import.meta.dirname, "..", DOCUMENT), "utf8")).toBe(falcoRules());
});
