/** Unsigned 64-bit integers, with the errors of cel-go: overflow and division by zero. */
import { type CelError, CelUint } from "../value.ts";
import { divideByZero, overflow } from "./failure.ts";

const MAX_UINT64 = 2n ** 64n - 1n;

/** An error when the integer is not a uint64. */
export const uintOf = (value: bigint): CelUint | CelError =>
  value < 0n || value > MAX_UINT64 ? overflow("unsigned integer") : new CelUint(value);

/** The integral part of a double as a uint64. */
export const uintOfDouble = (value: number): CelUint | CelError =>
  value >= 0 && value < 2 ** 64 ? new CelUint(BigInt(Math.trunc(value))) : overflow("double as uint");

export const addUint = (a: CelUint, b: CelUint): CelUint | CelError => uintOf(a.value + b.value);
export const subtractUint = (a: CelUint, b: CelUint): CelUint | CelError => uintOf(a.value - b.value);
export const multiplyUint = (a: CelUint, b: CelUint): CelUint | CelError => uintOf(a.value * b.value);
export const divideUint = (a: CelUint, b: CelUint): CelUint | CelError => (b.value === 0n ? divideByZero("/") : uintOf(a.value / b.value));
export const moduloUint = (a: CelUint, b: CelUint): CelUint | CelError => (b.value === 0n ? divideByZero("%") : uintOf(a.value % b.value));
