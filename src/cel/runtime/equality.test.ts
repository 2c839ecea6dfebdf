import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BOOL, INT } from "../type.ts";
import { CelDouble, CelDuration, CelMap, CelOptional, CelTimestamp, CelTypeValue, CelUint, type CelValue, NONE } from "../value.ts";
import { equals } from "./equality.ts";
import { compare } from "./ordering.ts";

const map = (...entries: readonly (readonly [number, CelValue])[]): CelMap =>
  new CelMap(new Map(entries.map(([key, value]) => [key, [key, value]])));

const EQUAL: readonly (readonly [CelValue, CelValue])[] = [
  [1, new CelUint(1n)],
  [1, new CelDouble(1)],
  [new CelUint(1n), new CelDouble(1)],
  [0, new CelDouble(-0)],
  [2n ** 60n, new CelUint(2n ** 60n)],
  [9223372036854775807n, 2 ** 63],
  ["a", "a"],
  [null, null],
  [new Uint8Array([1]), new Uint8Array([1])],
  [
    [1, "a"],
    [new CelDouble(1), "a"],
  ],
  [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
  ],
  [map([1, "x"]), map([1, "x"])],
  [new CelTimestamp(1, 2), new CelTimestamp(1, 2)],
  [new CelDuration(1, 2), new CelDuration(1, 2)],
  [new CelOptional(true, 1), new CelOptional(true, new CelUint(1n))],
  [NONE, NONE],
  [new CelTypeValue(INT), new CelTypeValue(INT)],
];

const UNEQUAL: readonly (readonly [CelValue, CelValue])[] = [
  [1, 2],
  [1, "1"],
  [1, true],
  [0, null],
  [0, false],
  [Number.NaN, Number.NaN],
  [[Number.NaN], [Number.NaN]],
  [9007199254740993n, new CelUint(9007199254740992n)],
  [-1, new CelUint(2n ** 64n - 1n)],
  ["", []],
  [{}, []],
  [{ a: null }, { b: null }],
  [{ a: 1 }, map([1, 1])],
  [NONE, new CelOptional(true, null)],
  [new CelTimestamp(1, 0), new CelDuration(1, 0)],
  [new CelTypeValue(INT), new CelTypeValue(BOOL)],
];

describe("equals", () => {
  test.each(EQUAL)("%o equals %o, both ways", (a, b) => {
    expect([equals(a, b), equals(b, a)]).toEqual([true, true]);
  });

  test.each(UNEQUAL)("%o does not equal %o, both ways", (a, b) => {
    expect([equals(a, b), equals(b, a)]).toEqual([false, false]);
  });
});

describe("compare", () => {
  const orderOf = (a: CelValue, b: CelValue): number => Math.sign(compare(a, b) ?? Number.NaN);

  test.each<readonly [CelValue, CelValue]>([
    [1, 2],
    [1, new CelUint(2n)],
    [new CelDouble(1), 1.5],
    [-1, new CelUint(0n)],
    [2 ** 53 - 1, 2n ** 53n],
    [false, true],
    ["", "a"],
    ["a", "ab"],
    ["\uffff", "😀"],
    [new Uint8Array([1]), new Uint8Array([1, 0])],
    [new Uint8Array([1, 255]), new Uint8Array([2])],
    [new CelTimestamp(1, 5), new CelTimestamp(2, 0)],
    [new CelDuration(-1, -5), new CelDuration(-1, 0)],
  ])("%o comes before %o", (a, b) => {
    expect([orderOf(a, b), orderOf(b, a), orderOf(a, a)]).toEqual([-1, 1, 0]);
  });

  test.each<readonly [CelValue, CelValue]>([
    [1, "1"],
    [null, null],
    [[], []],
    [{}, {}],
    [true, 1],
    [new CelTimestamp(1, 0), new CelDuration(1, 0)],
  ])("%o and %o have no order", (a, b) => {
    expect(compare(a, b)).toBeUndefined();
  });

  test("NaN has no place among the numbers", () => {
    expect(compare(Number.NaN, 1)).toBeNaN();
  });

  test("strings are ordered by code point, as their UTF-8 is by byte", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(orderOf(a, b)).toBe(Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
    );
  });
});

test("a list that stands in another many times is compared once", () => {
  const nested = (depth: number, leaf: CelValue): CelValue => (depth === 0 ? leaf : nestedTwice(nested(depth - 1, leaf)));
  const nestedTwice = (value: CelValue): CelValue => [value, { again: value }];
  expect(equals(nested(60, 1), nested(60, 1))).toBe(true);
  expect(equals(nested(60, 1), nested(60, 2))).toBe(false);
  expect(equals(nested(60, [Number.NaN]), nested(60, [Number.NaN]))).toBe(false);
});
