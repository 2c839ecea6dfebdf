import fc from "fast-check";
import { expect, test } from "vitest";
import { dayOf, formatTimeNs, parseTimeNs } from "./timestamp.ts";

test("times carry nine digits", () => {
  expect(formatTimeNs(1_763_812_271_207_000_123n)).toBe("2025-11-22T11:51:11.207000123Z");
});

test("format and parse are inverse", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 253_402_300_799_999_999_999n), (timeNs) => {
      expect(parseTimeNs(formatTimeNs(timeNs))).toBe(timeNs);
    }),
  );
});

test("offsets and short fractions are understood", () => {
  expect(parseTimeNs("1970-01-01T01:00:00.5+01:00")).toBe(500_000_000n);
});

test.each(["", "yesterday", "2025-11-22", "2025-13-01T00:00:00Z"])("%j is not a time", (text) => {
  expect(parseTimeNs(text)).toBeUndefined();
});

test("the day is the UTC day", () => {
  expect(dayOf(86_400_000_000_000n - 1n)).toBe("1970-01-01");
});
