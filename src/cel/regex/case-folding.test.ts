import { expect, test } from "vitest";
import { foldSet } from "./case-folding.ts";
import { singleton } from "./char-set.ts";

const membersOf = (set: readonly number[]): string => {
  let members = "";
  for (let i = 0; i < set.length; i += 2) {
    for (let member = set[i] ?? 0; member <= (set[i + 1] ?? -1); member++) members += String.fromCodePoint(member);
  }
  return members;
};

test.each([
  ["a", "Aa"],
  ["k", "Kk\u212a"],
  ["\u212a", "Kk\u212a"],
  ["S", "Ss\u017f"],
  ["5", "5"],
  ["θ", "Θθϑϴ"],
  ["ß", "ßẞ"],
  ["i", "Ii"], // neither dotted İ nor dotless ı: those fold only for Turkish
  ["İ", "İ"],
  ["ǅ", "Ǆǅǆ"],
  ["Ꭰ", "Ꭰꭰ"],
  ["𐐀", "𐐀𐐨"],
])("%s folds with %s", (char, expected) => {
  expect(membersOf(foldSet(singleton(char.codePointAt(0) ?? 0)))).toBe(expected);
});

test("ASCII sets fold by the short way as they do by the table", () => {
  for (let codePoint = 0; codePoint < 128; codePoint++) {
    const byTable = membersOf(foldSet([codePoint, codePoint, 0x10ffff, 0x10ffff])).replace("\u{10ffff}", "");
    expect(membersOf(foldSet(singleton(codePoint)))).toBe(byTable);
  }
});
