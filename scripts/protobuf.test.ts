import { expect, test } from "vitest";
import { ROOT } from "../test/source-tree.ts";
import { generatedUnder, withGenerated } from "./protobuf.ts";

test("generated/ folders are up to date; `node scripts/protobuf.ts` writes them", () => {
  expect(Object.fromEntries(generatedUnder(ROOT))).toEqual(withGenerated((folder) => Object.fromEntries(generatedUnder(folder))));
});
