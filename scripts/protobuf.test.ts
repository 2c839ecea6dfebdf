import { expect, test } from "vitest";
import { ROOT } from "../test/source-tree.ts";
import { generatedUnder, withGenerated } from "./protobuf.ts";

/** The compiler is started for each folder: seconds, but minutes on a machine that does much else. */
const GENERATION_MS = 300_000;

test("generated/ folders are up to date; `node scripts/protobuf.ts` writes them", { timeout: GENERATION_MS }, () => {
  expect(Object.fromEntries(generatedUnder(ROOT))).toEqual(withGenerated((folder) => Object.fromEntries(generatedUnder(folder))));
});
