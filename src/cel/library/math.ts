/** cel-go's math extensions (ext/math.go, version 2). */
import type { FunctionDeclaration, Library, Overload } from "../declaration.ts";
import { MATH_MACROS } from "../macro.ts";
import { asDouble, doubleOf } from "../runtime/double.ts";
import { plainNumber } from "../runtime/equality.ts";
import { type Int, intOf } from "../runtime/int64.ts";
import { compare } from "../runtime/ordering.ts";
import { BOOL, type CelType, DOUBLE, DYN, INT, UINT } from "../type.ts";
import { CelError, CelUint, type CelValue } from "../value.ts";
import { declare, double, fail, func, int, list, type Parameter, uint } from "./define.ts";

interface NumberKind {
  readonly name: string;
  readonly parameter: Parameter<CelValue>;
}

const KINDS: readonly NumberKind[] = [
  { name: "double", parameter: double },
  { name: "int", parameter: int },
  { name: "uint", parameter: uint },
];

/** A number of JSON that a declaration takes for a double becomes one, so that the result is one too. */
const typed = (value: CelValue, type: CelType): CelValue => (type === DOUBLE && typeof value === "number" ? doubleOf(value) : value);

/** The extreme of at least one number, of mixed types. `sign` is 1 for the greatest and -1 for the least; the first one wins a tie. */
function extreme(numbers: readonly CelValue[], sign: 1 | -1): CelValue {
  const [first, ...others] = numbers;
  if (first === undefined) return fail("expected at least one number, got an empty list");
  let found = first;
  for (const number of others) {
    const order = compare(number, found);
    if (order === undefined || plainNumber(number) === undefined) return fail("expected numbers only", "CEL_NO_SUCH_OVERLOAD");
    if (Number.isNaN(order)) return fail("NaN has no order");
    if (order * sign > 0) found = number;
  }
  return plainNumber(found) === undefined ? fail("expected numbers only", "CEL_NO_SUCH_OVERLOAD") : found;
}

/** The overloads of `math.@max` and `math.@min`: one number, two of any types, or a list. */
function extremeOverloads(name: "max" | "min"): readonly Overload[] {
  const sign = name === "max" ? 1 : -1;
  const one = KINDS.map(({ name: kind, parameter: { type } }) =>
    func(`math_@${name}_${kind}`, [{ type }], type, (value: CelValue) => typed(value, type)),
  );
  // As in cel-go, two numbers of one type come first: the first overload that fits decides what an unknown type becomes.
  const pairs = KINDS.flatMap((a) => KINDS.map((b) => [a, b] as const)).sort(([a, b], [c, d]) => Number(a !== b) - Number(c !== d));
  const two = pairs.map(([a, b]) => {
    const [left, right] = [a.parameter.type, b.parameter.type];
    const result = left === right ? left : DYN;
    return func(`math_@${name}_${a.name}_${b.name}`, [a.parameter, b.parameter], result, (x: CelValue, y: CelValue) =>
      extreme([typed(x, left), typed(y, right)], sign),
    );
  });
  const lists = KINDS.map(({ name: kind, parameter }) =>
    func(`math_@${name}_list_${kind}`, [list(parameter)], parameter.type, (numbers) => extreme(numbers, sign)),
  );
  return [...one, ...two, ...lists];
}

/** The nearest whole number, halves away from zero as in Go. */
export function roundHalfAway(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

const rounding = (name: string, description: string, apply: (value: number) => number): FunctionDeclaration =>
  declare(
    `math.${name}`,
    description,
    func(`math_${name}_double`, [double], DOUBLE, (value) => doubleOf(apply(asDouble(value)))),
  );

const doubleTest = (name: string, description: string, test: (value: number) => boolean): FunctionDeclaration =>
  declare(
    `math.${name}`,
    description,
    func(`math_${name}_double`, [double], BOOL, (value) => test(asDouble(value))),
  );

const absInt = (value: Int): CelValue => (typeof value === "number" ? Math.abs(value) : intOf(value < 0n ? -value : value));

/** 0 for both zeros. */
const signOf = (value: number): number => (Number.isNaN(value) ? value : value > 0 ? 1 : value < 0 ? -1 : 0);

const isInt32 = (value: Int): value is number => typeof value === "number" && (value | 0) === value;

/** A bitwise operation of two ints and of two uints: 32-bit arithmetic where it is enough. */
const bitwise = (
  name: string,
  description: string,
  small: (a: number, b: number) => number,
  large: (a: bigint, b: bigint) => bigint,
): FunctionDeclaration =>
  declare(
    `math.${name}`,
    description,
    func(`math_${name}_int_int`, [int, int], INT, (a, b) => (isInt32(a) && isInt32(b) ? small(a, b) : intOf(large(BigInt(a), BigInt(b))))),
    func(`math_${name}_uint_uint`, [uint, uint], UINT, (a, b) => new CelUint(large(a.value, b.value))),
  );

/** A shift of an int, as of its 64 bits, and of a uint; by 64 or more bits it gives 0. */
function shift(name: string, description: string, apply: (bits: bigint, by: bigint) => bigint): FunctionDeclaration {
  const shifted = (bits: bigint, by: Int): bigint | CelError => {
    if (by < 0) return fail(`math.${name}() negative offset: ${by}`);
    return by >= 64 ? 0n : apply(bits, BigInt(by));
  };
  const toInt = (value: Int, by: Int): CelValue => {
    const bits = shifted(BigInt.asUintN(64, BigInt(value)), by);
    return bits instanceof CelError ? bits : intOf(BigInt.asIntN(64, bits));
  };
  const toUint = ({ value }: CelUint, by: Int): CelValue => {
    const bits = shifted(value, by);
    return bits instanceof CelError ? bits : new CelUint(BigInt.asUintN(64, bits));
  };
  return declare(
    `math.${name}`,
    description,
    func(`math_${name}_int_int`, [int, int], INT, toInt),
    func(`math_${name}_uint_int`, [uint, int], UINT, toUint),
  );
}

const sqrt = (value: number): CelValue => doubleOf(Math.sqrt(value));

const functions: readonly FunctionDeclaration[] = [
  declare("math.@max", "What the macro math.greatest(…) makes: the greatest of some numbers.", ...extremeOverloads("max")),
  declare("math.@min", "What the macro math.least(…) makes: the least of some numbers.", ...extremeOverloads("min")),
  rounding("ceil", "The least whole double that is not less than a double.", Math.ceil),
  rounding("floor", "The greatest whole double that is not greater than a double.", Math.floor),
  rounding("round", "The nearest whole double, halves away from zero.", roundHalfAway),
  rounding("trunc", "The double without its fraction.", Math.trunc),
  doubleTest("isInf", "Whether a double is infinite.", (value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY),
  doubleTest("isNaN", "Whether a double is not a number.", Number.isNaN),
  doubleTest("isFinite", "Whether a double is neither infinite nor NaN.", Number.isFinite),
  declare(
    "math.abs",
    "The number without its sign.",
    func("math_abs_double", [double], DOUBLE, (value) => doubleOf(Math.abs(asDouble(value)))),
    func("math_abs_int", [int], INT, absInt),
    func("math_abs_uint", [uint], UINT, (value) => value),
  ),
  declare(
    "math.sign",
    "-1, 0 or 1 by the sign of a number, in its type.",
    func("math_sign_double", [double], DOUBLE, (value) => doubleOf(signOf(asDouble(value)))),
    func("math_sign_int", [int], INT, (value) => signOf(Number(value))),
    func("math_sign_uint", [uint], UINT, ({ value }) => new CelUint(value === 0n ? 0n : 1n)),
  ),
  bitwise(
    "bitAnd",
    "The bits that both numbers have.",
    (a, b) => a & b,
    (a, b) => a & b,
  ),
  bitwise(
    "bitOr",
    "The bits that one of the numbers has.",
    (a, b) => a | b,
    (a, b) => a | b,
  ),
  bitwise(
    "bitXor",
    "The bits that exactly one of the numbers has.",
    (a, b) => a ^ b,
    (a, b) => a ^ b,
  ),
  declare(
    "math.bitNot",
    "The bits that the number has not.",
    func("math_bitNot_int_int", [int], INT, (value) => intOf(~BigInt(value))),
    func("math_bitNot_uint_uint", [uint], UINT, ({ value }) => new CelUint(BigInt.asUintN(64, ~value))),
  ),
  shift("bitShiftLeft", "The 64 bits of a number, moved to the left by an offset.", (bits, by) => bits << by),
  shift(
    "bitShiftRight",
    "The 64 bits of a number, moved to the right by an offset; zeros come in, for negative ints too.",
    (bits, by) => bits >> by,
  ),
  declare(
    "math.sqrt",
    "The square root, NaN of a negative number.",
    func("math_sqrt_double", [double], DOUBLE, (value) => sqrt(asDouble(value))),
    func("math_sqrt_int", [int], DOUBLE, (value) => sqrt(Number(value))),
    func("math_sqrt_uint", [uint], DOUBLE, ({ value }) => sqrt(Number(value))),
  ),
];

export const mathLibrary: Library = { name: "math", functions, macros: MATH_MACROS };
