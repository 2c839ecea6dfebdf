/**
 * Signed 64-bit integers: a JavaScript number while it is safe, a bigint beyond. Every function returns that canonical
 * form, or the error that cel-go gives: overflow and division by zero.
 */
import type { CelError } from "../value.ts";
import { divideByZero, overflow } from "./failure.ts";

export type Int = number | bigint;

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The canonical form of an integer of any size; an error when it is not an int64. */
export function intOf(value: bigint): Int | CelError {
  if (value <= MAX_SAFE && value >= -MAX_SAFE) return Number(value);
  return value > MAX_INT64 || value < MIN_INT64 ? overflow("integer") : value;
}

/** The canonical form of the integral part of a double; an error when it is not an int64, as in cel-go for the very ends too. */
export function intOfDouble(value: number): Int | CelError {
  const whole = Math.trunc(value) + 0;
  if (Number.isSafeInteger(whole)) return whole;
  return whole > -(2 ** 63) && whole < 2 ** 63 ? BigInt(whole) : overflow("double as int");
}

export function addInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return intOf(BigInt(a) + BigInt(b));
}

export function subtractInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return intOf(BigInt(a) - BigInt(b));
}

export function multiplyInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") {
    // Adding zero turns -0, which is no int, into 0; here and below.
    const product = a * b + 0;
    if (Number.isSafeInteger(product)) return product;
  }
  return intOf(BigInt(a) * BigInt(b));
}

export function divideInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") {
    // The remainder is exact, so the division is too; `Math.trunc(a / b)` would round.
    return b === 0 ? divideByZero("/") : (a - (a % b)) / b + 0;
  }
  return typeof b === "number" && b === 0 ? divideByZero("/") : intOf(BigInt(a) / BigInt(b));
}

export function moduloInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") return b === 0 ? divideByZero("%") : (a % b) + 0;
  if (b === 0) return divideByZero("%");
  // As in Go's checked arithmetic, where the quotient overflows.
  if (a === MIN_INT64 && b === -1) return overflow("integer");
  return intOf(BigInt(a) % BigInt(b));
}

export const negateInt = (a: Int): Int | CelError => (typeof a === "number" ? 0 - a : intOf(-a));
