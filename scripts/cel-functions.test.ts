import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DOCUMENT, renderFunctions } from "./cel-functions.ts";

test("docs/cel-functions.md is up to date; `node scripts/cel-functions.ts` writes it", () => {
  expect(readFileSync(DOCUMENT, "utf8")).toBe(renderFunctions());
});
