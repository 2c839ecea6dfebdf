import { expect, test } from "vitest";
import { CelDouble } from "../value.ts";
import { asDouble, doubleOf, formatDouble, isDouble } from "./double.ts";

test.each([
  [0, "0"],
  [-0, "-0"],
  [1, "1"],
  [-2.5, "-2.5"],
  [123456, "123456"],
  [1_000_000, "1e+06"],
  [123456789, "1.23456789e+08"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [1e300, "1e+300"],
  [5e-324, "5e-324"],
  [Number.NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "+Inf"],
  [Number.NEGATIVE_INFINITY, "-Inf"],
])("%s is written as Go's %%g writes it: %s", (value, text) => {
  expect(formatDouble(value)).toBe(text);
});

test.each([0, -0, 3, -7, Number.MAX_SAFE_INTEGER])("%s is boxed, because it would read as an int", (value) => {
  const boxed = doubleOf(value);
  expect(boxed).toBeInstanceOf(CelDouble);
  expect(asDouble(boxed)).toBe(value);
  expect(isDouble(boxed)).toBe(true);
});

test.each([0.5, 1e300, 2 ** 53, Number.NaN])("%s is not boxed", (value) => {
  expect(doubleOf(value)).toBe(value);
  expect(isDouble(value)).toBe(true);
});
