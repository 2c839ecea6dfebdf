import { expect, test } from "vitest";
import { matchesDnsName } from "./peer-match.ts";

test.each([
  ["a.test", "a.test", true],
  ["a.test", "b.test", false],
  ["*", "a.b.test", true],
  ["*.test", "a.b.test", true],
  ["*.test", "test", false],
  ["+.test", "a.test", true],
  ["+.test", "a.b.test", false],
  ["+.test", "test", false],
  ["sub+.test", "sub.test", true],
  ["sub+.test", "suburb.test", true],
  ["sub+.test", "bus.test", false],
  ["+ab+ba+.test", "xabyybaz.test", true],
  ["+ab+ba+.test", "xaba.test", false],
  ["ab+ba.test", "aba.test", false],
  ["ab+ba.test", "abba.test", true],
  ["+.+.test", "a.b.test", true],
])("the pattern %s and the name %s: %s", (pattern, name, expected) => {
  expect(matchesDnsName(pattern, name)).toBe(expected);
});
