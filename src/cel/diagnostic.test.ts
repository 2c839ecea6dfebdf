import { expect, test } from "vitest";
import { celDiagnostic, quoteInput } from "./diagnostic.ts";
import { sourceText } from "./source-text.ts";

test("a diagnostic stands where the span begins, and ends on that line", () => {
  const source = sourceText("a +\n  bcd * 2\n", "f.cel");
  expect(celDiagnostic(source, "CEL_SYNTAX", "m", { start: 6, end: 9 }, "h")).toEqual({
    code: "CEL_SYNTAX",
    severity: "error",
    message: "m",
    file: "f.cel",
    line: 2,
    column: 3,
    length: 3,
    sourceLine: "  bcd * 2",
    hint: "h",
  });
  expect(celDiagnostic(source, "CEL_SYNTAX", "m", { start: 0, end: 13 })).toMatchObject({ line: 1, column: 1, length: 3 });
  expect(celDiagnostic(source, "CEL_SYNTAX", "m", { start: 3, end: 3 })).toMatchObject({ line: 1, column: 4, length: 1 });
  expect(celDiagnostic(source, "CEL_SYNTAX", "m", { start: 0, end: 1 })).not.toHaveProperty("hint");
});

test.each([
  ["abc", "`abc`"],
  ["a\n  b", "`a b`"],
  ["x".repeat(41), `\`${"x".repeat(39)}…\``],
])("%j is quoted as %s", (text, expected) => {
  expect(quoteInput(text)).toBe(expected);
});
