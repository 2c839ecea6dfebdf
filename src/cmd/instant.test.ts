import { expect, test } from "vitest";
import { parseInstant } from "./instant.ts";

const now = new Date(2026, 10, 22, 15, 30, 0).getTime();

test.each([
  ["15m", new Date(2026, 10, 22, 15, 15)],
  ["0s", new Date(2026, 10, 22, 15, 30)],
  ["14:30", new Date(2026, 10, 22, 14, 30)],
  ["9:05:07", new Date(2026, 10, 22, 9, 5, 7)],
  ["2026-11-20", new Date(2026, 10, 20)],
  ["2026-11-20T12:00", new Date(2026, 10, 20, 12)],
  ["2026-11-20 12:00:01", new Date(2026, 10, 20, 12, 0, 1)],
  ["2026-11-20T12:00:00Z", new Date(Date.UTC(2026, 10, 20, 12))],
  ["2026-11-20T12:00:00.5+01:00", new Date(Date.UTC(2026, 10, 20, 11, 0, 0, 500))],
])("reads `%s`", (text, expected) => expect(parseInstant(text, now)).toBe(expected.getTime()));

test.each(["", "yesterday", "25:00", "2026-13-01", "2026-11-20T", "1234567890"])("refuses `%s`", (text) => {
  expect(parseInstant(text, now)).toBeUndefined();
});
