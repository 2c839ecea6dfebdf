import { expect, test } from "vitest";
import { CelDouble } from "../value.ts";
import { intOf } from "./int64.ts";
import { parseBool, parseDouble, parseInteger } from "./parse-number.ts";

test.each([
  ["42", 42],
  ["+7", 7],
  ["-9223372036854775808", -9223372036854775808n],
  ["0012", 12],
])("the integer %s is %s", (text, value) => {
  expect(parseInteger(text, intOf, "an integer")).toBe(value);
});

test.each(["", "-", "1.0", "0x10", " 1", "1_000", "9".repeat(100)])("%j is no integer", (text) => {
  expect(parseInteger(text, intOf, "an integer")).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
});

test.each([
  ["1", new CelDouble(1)],
  ["-1.5e3", new CelDouble(-1500)],
  [".5", 0.5],
  ["5.", new CelDouble(5)],
  ["inf", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["NaN", Number.NaN],
])("the double %s is %s", (text, value) => {
  expect(parseDouble(text)).toEqual(value);
});

test.each(["", ".", "1e", "1e999", "0x1p3", "1,5", " 1"])("%j is no double", (text) => {
  expect(parseDouble(text)).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
});

test.each([
  ["true", true],
  ["T", true],
  ["1", true],
  ["False", false],
  ["f", false],
])("the bool %s is %s", (text, value) => {
  expect(parseBool(text)).toBe(value);
});

test.each(["", "yes", "tRUE", "2"])("%j is no bool", (text) => {
  expect(parseBool(text)).toMatchObject({ code: "CEL_INVALID_ARGUMENT" });
});
