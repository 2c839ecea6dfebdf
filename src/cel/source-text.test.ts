import { expect, test } from "vitest";
import { sourceText } from "./source-text.ts";

test.each([
  ["", 0, 1, 1, ""],
  ["\n", 0, 1, 1, ""],
  ["a\nbc\n", 0, 1, 1, "a"],
  ["a\nbc\n", 1, 1, 2, "a"],
  ["a\nbc\n", 2, 2, 1, "bc"],
  ["a\nbc\n", 3, 2, 2, "bc"],
  ["a\nbc\n", 5, 3, 1, ""],
])("in %j the offset %d is line %d, column %d", (text, offset, line, column, sourceLine) => {
  expect(sourceText(text).locate(offset)).toEqual({ line, column, sourceLine });
});
