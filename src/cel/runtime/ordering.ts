import { CelDouble, CelDuration, CelError, CelTimestamp, CelUint, type CelValue } from "../value.ts";
import { plainNumber } from "./equality.ts";
import { invalidArgument, noSuchOverload } from "./failure.ts";

/**
 * The order of two values: negative, zero or positive; NaN when one is the double NaN; undefined when their types have no
 * order between them. Numbers of all types are comparable, strings compare by code point, bytes lexicographically.
 */
export function compare(a: CelValue, b: CelValue): number | undefined {
  switch (typeof a) {
    case "number":
    case "bigint":
      return compareNumbers(a, plainNumber(b));
    case "string":
      return typeof b === "string" ? compareStrings(a, b) : undefined;
    case "boolean":
      return typeof b === "boolean" ? Number(a) - Number(b) : undefined;
    default:
      return a === null || typeof b === "string" || typeof b === "boolean" ? undefined : compareObjects(a, b);
  }
}

function compareObjects(a: CelValue & object, b: CelValue): number | undefined {
  if (a instanceof CelDouble || a instanceof CelUint) return compareNumbers(plainNumber(a), plainNumber(b));
  if (a instanceof CelTimestamp) return b instanceof CelTimestamp ? a.seconds - b.seconds || a.nanos - b.nanos : undefined;
  if (a instanceof CelDuration) return b instanceof CelDuration ? a.seconds - b.seconds || a.nanos - b.nanos : undefined;
  return a instanceof Uint8Array && b instanceof Uint8Array ? compareBytes(a, b) : undefined;
}

function compareNumbers(a: number | bigint | undefined, b: number | bigint | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (typeof a !== typeof b) return compareNumbers(Number(a), Number(b));
  return a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN;
}

/** By code point: UTF-16 order differs from it where a surrogate meets a unit from U+E000 on. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return codePointRank(left) - codePointRank(right);
  }
  return a.length - b.length;
}

const codePointRank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** `a < b` and its kin: an error when the operands have no order, NaN included, as in cel-go. */
export const isLess = (a: CelValue, b: CelValue): boolean | CelError => ordered("_<_", a, b, (order) => order < 0);
export const isLessOrEqual = (a: CelValue, b: CelValue): boolean | CelError => ordered("_<=_", a, b, (order) => order <= 0);
export const isGreater = (a: CelValue, b: CelValue): boolean | CelError => ordered("_>_", a, b, (order) => order > 0);
export const isGreaterOrEqual = (a: CelValue, b: CelValue): boolean | CelError => ordered("_>=_", a, b, (order) => order >= 0);

function ordered(operator: string, a: CelValue, b: CelValue, holds: (order: number) => boolean): boolean | CelError {
  if (a instanceof CelError) return a;
  if (b instanceof CelError) return b;
  const order = compare(a, b);
  if (order === undefined) return noSuchOverload(operator, [a, b]);
  return Number.isNaN(order) ? invalidArgument("NaN has no order") : holds(order);
}
