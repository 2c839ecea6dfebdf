import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CelError } from "../value.ts";
import { addInt, divideInt, type Int, intOf, intOfDouble, moduloInt, multiplyInt, negateInt, subtractInt } from "./int64.ts";

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** Ints of all sizes, in their canonical form; the borders of both representations are frequent. */
const int: fc.Arbitrary<Int> = fc
  .oneof(
    fc.bigInt({ min: MIN, max: MAX }),
    fc.bigInt({ min: -9n, max: 9n }),
    fc.constantFrom(MIN, MAX, 2n ** 53n, 2n ** 53n - 1n, -(2n ** 53n), -(2n ** 53n) + 1n, 2n ** 31n, 3037000500n),
  )
  .map((value) => (value >= -(2n ** 53n) + 1n && value <= 2n ** 53n - 1n ? Number(value) : value));

/** The exact result in its canonical form, or the code of the error. */
function expected(exact: bigint): Int | string {
  if (exact < MIN || exact > MAX) return "CEL_OVERFLOW";
  return exact >= BigInt(Number.MIN_SAFE_INTEGER) && exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
}
const actual = (result: Int | CelError): Int | string => (result instanceof CelError ? result.code : result);

describe("int64", () => {
  test.each([
    ["+", addInt, (a: bigint, b: bigint) => a + b],
    ["-", subtractInt, (a: bigint, b: bigint) => a - b],
    ["*", multiplyInt, (a: bigint, b: bigint) => a * b],
  ] as const)("%s is exact or overflows", (_, operate, exact) => {
    fc.assert(
      fc.property(int, int, (a, b) => {
        expect(actual(operate(a, b))).toBe(expected(exact(BigInt(a), BigInt(b))));
      }),
    );
  });

  test("division and remainder cut off towards zero, and overflow together", () => {
    fc.assert(
      fc.property(int, int, (a, b) => {
        fc.pre(BigInt(b) !== 0n);
        const quotient = expected(BigInt(a) / BigInt(b));
        expect(actual(divideInt(a, b))).toBe(quotient);
        expect(actual(moduloInt(a, b))).toBe(quotient === "CEL_OVERFLOW" ? quotient : expected(BigInt(a) % BigInt(b)));
      }),
    );
  });

  test.each([1, MAX])("%s by zero is an error", (a) => {
    expect(divideInt(a, 0)).toMatchObject({ code: "CEL_DIVIDE_BY_ZERO", message: "division by zero" });
    expect(moduloInt(a, 0)).toMatchObject({ code: "CEL_DIVIDE_BY_ZERO", message: "modulus by zero" });
  });

  test("no operation gives -0, which would be a double", () => {
    expect([multiplyInt(0, -5), divideInt(-1, 5), moduloInt(-4, 2), negateInt(0), intOfDouble(-0.5)]).toEqual([0, 0, 0, 0, 0]);
  });

  test("the least int has no negation", () => {
    expect(negateInt(MIN)).toMatchObject({ code: "CEL_OVERFLOW" });
    expect(negateInt(MAX)).toBe(-MAX);
  });

  test.each([
    [1.9, 1],
    [-1.9, -1],
    [2 ** 62, 2n ** 62n],
  ])("the double %s is the int %s", (value, result) => {
    expect(intOfDouble(value)).toBe(result);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 2 ** 63, -(2 ** 63)])("the double %s is no int", (value) => {
    expect(intOfDouble(value)).toMatchObject({ code: "CEL_OVERFLOW" });
  });

  test.each([MIN - 1n, MAX + 1n])("%s is no int", (value) => {
    expect(intOf(value)).toMatchObject({ code: "CEL_OVERFLOW" });
  });
});
