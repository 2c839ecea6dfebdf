import { expect, test } from "vitest";
import { contains } from "./char-set.ts";
import { propertySet } from "./unicode-property.ts";

test.each([
  ["L", "aλ𝒳", "1 "],
  ["Lu", "AÉ", "aé"],
  ["Uppercase_Letter", "A", "a"],
  ["greek", "λΩ", "l"],
  ["Old Italic", "𐌀", "a"],
  ["Any", "a\ud800", ""],
  ["ASCII", "a~", "é"],
  ["LC", "aAǅ", "ʰ1"],
  ["Cs", "\udfff\ud800", "a"],
  ["Co", "\ue000\u{10fffd}", "\u{10ffff}"],
])("%s", (name, members, others) => {
  const set = propertySet(name) ?? [];
  expect(Array.from(members).filter((char) => !contains(set, char.codePointAt(0) ?? 0))).toEqual([]);
  expect(Array.from(others).filter((char) => contains(set, char.codePointAt(0) ?? 0))).toEqual([]);
});

test("names that denote no category and no script are refused", () => {
  for (const name of ["", "Klingon", "L}|\\p{N", "Alphabetic", "Script=Greek", "Lu1"]) expect(propertySet(name)).toBeNull();
});
