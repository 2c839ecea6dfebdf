import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { timeLibrary } from "./time.ts";

const evaluate = evaluatorOf({ libraries: [timeLibrary(() => Date.UTC(2026, 10, 22, 12, 34, 56, 789))] });

test.each([
  ["string(time.now())", "2026-11-22T12:34:56.789Z"],
  ["time.now() - time.now() == duration('0s')", true],
  ["string(time.truncate(time.now(), duration('1h')))", "2026-11-22T12:00:00Z"],
  ["string(time.truncate(timestamp('2026-11-22T12:34:56Z'), duration('24h')))", "2026-11-22T00:00:00Z"],
  ["string(time.truncate(timestamp('1969-12-31T23:59:59.5Z'), duration('1s')))", "1969-12-31T23:59:59Z"],
  ["string(time.truncate(timestamp('2026-11-22T12:34:56.789Z'), duration('100ms')))", "2026-11-22T12:34:56.7Z"],
  ["string(time.truncate(timestamp('2026-11-22T12:34:56Z'), duration('0s')))", "2026-11-22T12:34:56Z"],
  ["time.toCron(timestamp('2026-11-22T12:34:56Z'))", "34 12 22 11 0"],
  ["time.toCron(timestamp('2024-02-29T00:05:00Z'))", "5 0 29 2 4"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toBe(expected));
