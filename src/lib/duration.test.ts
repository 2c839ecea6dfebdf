import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";

test.each([
  ["250ms", 250],
  ["30s", 30_000],
  ["1.5s", 1_500],
  ["1h30m", 5_400_000],
  ["7d", 604_800_000],
  ["0s", 0],
])("reads %s as %i ms", (text, expected) => expect(parseDuration(text)).toBe(expected));

test.each(["", "5", "-5s", "5 s", "s", "1m1h", "1e3s", "5s5s"])("refuses `%s`", (text) => expect(parseDuration(text)).toBeUndefined());

test.each([
  [0.25, "250 µs"],
  [850, "850 ms"],
  [2_500, "2.5 s"],
  [90_000, "1m30s"],
  [273_600_000, "3d4h"],
  [86_405_000, "1d"],
])("shows %d ms as %s", (durationMs, expected) => expect(formatDuration(durationMs)).toBe(expected));

test("what is shown from a minute on can be read again, to within its smaller unit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 60_000, max: 365 * 86_400_000 }), (durationMs) => {
      const again = parseDuration(formatDuration(durationMs)) ?? Number.NaN;
      expect(Math.abs(again - durationMs)).toBeLessThan(3_600_000);
    }),
  );
});
