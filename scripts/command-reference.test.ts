import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commandReference, DOCUMENT } from "./command-reference.ts";

test("docs/commands.md is up to date; `node scripts/command-reference.ts` writes it", () => {
  expect(readFileSync(join(import.meta.dirname, "..", DOCUMENT), "utf8")).toBe(commandReference());
});
